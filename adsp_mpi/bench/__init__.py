"""`mpirun -n N python -m adsp_mpi bench`: what a commit, a step and a start cost here.

Numbers that are compared are measured alternately, in the same run.
"""
