"""Every decision of a run, pure: no MPI, torch, files, clock or global random numbers."""
