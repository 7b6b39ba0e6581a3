#!/usr/bin/env bash
# Starts one rank so that its death does not end the others':
#   mpirun -disable-auto-cleanup -n 8 bash jobs/rank.sh python -m adsp_mpi      MPICH
#   mpirun --enable-recovery -n 8 bash jobs/rank.sh python -m adsp_mpi          Open MPI
# MPICH's launcher ends the job when a process of its own is killed; this one lives on, and leaves
# with exit code 0 when its rank is lost.
set -uo pipefail
"$@" &
rank=$!
# of the rank's line to the launcher only the rank holds an end
if [ -n "${PMI_FD:-}" ]; then eval "exec $PMI_FD>&-"; fi
# the launcher signals the rank too; here a signal only interrupts wait
trap : TERM INT USR1 USR2
code=0
wait "$rank" 2>/dev/null || code=$?
while kill -0 "$rank" 2>/dev/null; do
  code=0
  wait "$rank" 2>/dev/null || code=$?
done
if [ "$code" -gt 128 ]; then code=0; fi
exit "$code"
