"""One run after the other under one mpirun, so that start-up is paid for once.

The arguments are configuration files.
"""

import sys

import adsp_mpi
from adsp_mpi.config import Config
from adsp_mpi.layers import file_layer

if __name__ == "__main__":
    for path in sys.argv[1:]:
        config = Config().with_layers(file_layer(path))
        adsp_mpi.train(config.task.name, config)
