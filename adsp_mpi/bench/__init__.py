"""`mpirun -n N python -m adsp_mpi bench`: what a commit, a step and a start cost here.

Every figure that is compared is measured in the same run as what it is compared with, in turns.
"""
