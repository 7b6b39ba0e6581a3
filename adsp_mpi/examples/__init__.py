"""Training scripts with loops of their own, joined to a run by `adsp_mpi.join`."""
