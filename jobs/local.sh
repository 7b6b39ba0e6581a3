#!/usr/bin/env bash
# Set up a virtual environment in .venv and run the main job; arguments go to it.
#   bash jobs/local.sh                       the quickstart on 8 ranks
#   RANKS=4 bash jobs/local.sh --sync bsp    another scheme on 4 ranks
# An MPI that is on PATH is used; otherwise the mpich wheel is installed.
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/environment.sh
use_local_environment
exec mpirun -n "${RANKS:-8}" python -m adsp_mpi "$@"
