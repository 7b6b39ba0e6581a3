"""One run after the other under one mpirun, so that start-up is paid for once.

The arguments are configuration files.
"""

import sys

import adsp_mpi
from adsp_mpi.config import Config, load_file

if __name__ == "__main__":
    for path in sys.argv[1:]:
        config = load_file(Config(), path)
        adsp_mpi.train(config.task.name, config)
