"""A run on the first ranks of a job alone: how many, then the options of `python -m adsp_mpi`."""

import sys

from mpi4py import MPI

from adsp_mpi.cli import parse
from adsp_mpi.mpi.run import run

if __name__ == "__main__":
    inside = MPI.COMM_WORLD.rank < int(sys.argv[1])
    comm = MPI.COMM_WORLD.Split(0 if inside else MPI.UNDEFINED, MPI.COMM_WORLD.rank)
    if inside:
        run(parse(sys.argv[2:]).config, comm=comm)
