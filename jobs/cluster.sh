# shellcheck shell=bash
# Sourced by the batch scripts beside it: an environment, and run_and_requeue.

# shellcheck source=jobs/environment.sh
source jobs/environment.sh
# an environment that is active already is taken as it is
python -c 'import importlib.util as u, sys
sys.exit(not all(map(u.find_spec, ("adsp_mpi", "mpi4py", "torch", "h5py"))))' 2>/dev/null ||
  use_local_environment

between=jobs/rank.py
# shellcheck source=jobs/requeue.sh
source jobs/requeue.sh
