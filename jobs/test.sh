#!/usr/bin/env bash
# Set up virtual environments and run every check: lint, types, and the tests once per MPI.
#   bash jobs/test.sh                  both MPIs, each from its wheel
#   MPIS=mpich bash jobs/test.sh       one of them; MPIS=system takes the MPI on PATH
#   bash jobs/test.sh -m quick         lint, types and the quick tests only: under a minute
#   bash jobs/test.sh -k bsp           arguments go to pytest
#   JOBS=4 bash jobs/test.sh           four tests at once; 3 unless given
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/environment.sh

read -ra mpis <<<"${MPIS:-mpich openmpi}"
[[ " $* " != *" quick "* ]] || mpis=("${mpis[0]}")  # quick tests start no MPI
parallel=(-n "${JOBS:-3}" --dist loadgroup --no-loadscope-reorder)
first=yes
for mpi in "${mpis[@]}"; do
  (
    use_environment ".venv-test-$mpi" "$mpi" test
    if [ "$first" = yes ]; then
      ruff check .
      ruff format --check .
      mypy
      python -m pytest "${parallel[@]}" "$@"
    else
      python -m pytest "${parallel[@]}" tests/contract tests/launch tests/cluster \
        -m "not one_mpi_is_enough" "$@"
    fi
  )
  first=no
done
