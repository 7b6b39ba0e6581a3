# shellcheck shell=bash
# Sourced by the scripts beside it, and part of what `python -m adsp_mpi slurm` prints.

# Open MPI: allow root (containers) and more ranks than cores, keep its UCX window quiet
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_osc="${OMPI_MCA_osc:-^ucx}"
export PRTE_MCA_rmaps_default_mapping_policy="${PRTE_MCA_rmaps_default_mapping_policy:-:oversubscribe}"
