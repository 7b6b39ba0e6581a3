"""The end of a job that cannot end in order."""

import os
import sys
import threading

from mpi4py import MPI

from adsp_mpi.errors import EXIT_FAILED

LAUNCHER_TAKES_S = 5.0


def abort(comm: MPI.Comm, exit_code: int = EXIT_FAILED) -> None:
    """End all ranks of the job; this one leaves also where MPI or the launcher does nothing."""
    leave_anyway(exit_code)
    comm.Abort(exit_code)


def leave_anyway(exit_code: int = EXIT_FAILED) -> None:
    """Another rank ends the job: leave by oneself should that not come to pass."""
    timer = threading.Timer(LAUNCHER_TAKES_S, os._exit, [exit_code])
    timer.daemon = True
    timer.start()


def leave_at_once(exit_code: int) -> None:
    """End this process without MPI's end, which would wait for ranks that are gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
