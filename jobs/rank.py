"""Stands between a launcher and one rank:

    mpirun -disable-auto-cleanup -n 8 python jobs/rank.py python -m adsp_mpi      MPICH
    mpirun --enable-recovery -n 8 python jobs/rank.py python -m adsp_mpi          Open MPI

A rank that is killed does not end the others: MPICH's launcher ends the job when a process of its
own is killed; this one lives on, and leaves with exit code 0. And a rank that is told to stop has
the time to write: Open MPI's launcher kills its processes 0.25 s after SIGTERM, but not a group of
its own, which the rank gets here.
"""

import os
import signal
import subprocess
import sys


def stand_between(command: list[str]) -> int:
    """Run a rank, forward it the signals that stop it; its exit code, 0 if it was killed."""
    # a signal before the rank can take one waits until then
    forwarded = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    early: list[int] = []
    for number in forwarded:
        signal.signal(number, lambda number, _frame: early.append(number))
    rank = subprocess.Popen(command, close_fds=False, process_group=0)
    for number in forwarded:
        signal.signal(number, lambda number, _frame: rank.send_signal(number))
    for number in early:
        rank.send_signal(number)
    # of the rank's line to the launcher only the rank holds an end
    if "PMI_FD" in os.environ:
        os.close(int(os.environ["PMI_FD"]))
    code = max(0, rank.wait())
    # MPICH's launcher tells the others of every rank that has ended
    signal.pthread_sigmask(signal.SIG_BLOCK, forwarded)
    return code


if __name__ == "__main__":
    sys.exit(stand_between(sys.argv[1:]))
