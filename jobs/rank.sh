#!/usr/bin/env bash
# Stands between a launcher and one rank:
#   mpirun -disable-auto-cleanup -n 8 bash jobs/rank.sh python -m adsp_mpi      MPICH
#   mpirun --enable-recovery -n 8 bash jobs/rank.sh python -m adsp_mpi          Open MPI
# A rank that is killed does not end the others: MPICH's launcher ends the job when a process of its
# own is killed; this one lives on, and leaves with exit code 0. And a rank that is told to stop has
# the time to write: Open MPI's launcher kills its processes 0.25 s after SIGTERM, but not a group
# of its own, which `set -m` makes.
set -muo pipefail
"$@" &
rank=$!
# of the rank's line to the launcher only the rank holds an end
if [ -n "${PMI_FD:-}" ]; then eval "exec $PMI_FD>&-"; fi
exec 2>/dev/null # what the shell would say of a rank that is killed
for signal in TERM INT USR1 USR2; do
  # shellcheck disable=SC2064  # the rank and the signal of now
  trap "interrupted=yes; kill -$signal $rank || true" "$signal"
done
interrupted=yes
while [ "$interrupted" ]; do
  interrupted=
  code=0
  wait "$rank" || code=$?
done
if [ "$code" -gt 128 ]; then code=0; fi
exit "$code"
