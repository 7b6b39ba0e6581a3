"""The MPI engine: the only place that imports mpi4py. Importing the package does not start MPI."""
