"""Ends a job that cannot end in order."""

import ctypes
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import Iterator

from mpi4py import MPI

from adsp_mpi.errors import EXIT_FAILED

GUARD = os.environ.pop("ADSP_MPI_STARTED_FD", None)
"""The pipe to jobs/rank.py, if this rank was started by it."""

PR_SET_PDEATHSIG = 1

LAUNCHER_TAKES_S = 5.0

STUCK_S = 5.0
"""The last collective operations take less than this, unless a rank has died in them."""


def abort(comm: MPI.Comm, exit_code: int = EXIT_FAILED) -> None:
    """End all ranks of the job; this one leaves even if MPI or the launcher does nothing."""
    leave_anyway(exit_code)
    dismiss_guard()
    comm.Abort(exit_code)


def leave_anyway(exit_code: int = EXIT_FAILED) -> None:
    """Leave in a few seconds, in case the rank that is to end the job does not manage to."""
    timer = threading.Timer(LAUNCHER_TAKES_S, os._exit, [exit_code])
    timer.daemon = True
    timer.start()


def dismiss_guard() -> None:
    """Tell jobs/rank.py that from here on the others can do without this rank.

    Before this, the death of this rank ends the job, and this rank dies with its rank.py.
    """
    if GUARD is not None:
        with suppress(OSError):
            os.write(int(GUARD), b"1")
        with suppress(AttributeError):  # only Linux has it
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, 0)


def leave_at_once(exit_code: int) -> None:
    """End this process without MPI_Finalize, which would wait for ranks that are gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def finalize_under_guard(exit_code: int) -> None:
    """Call MPI_Finalize under jobs/rank.py; a signal ends this process if it hangs there.

    MPI_Finalize holds the interpreter, so a thread could not. rank.py is told the exit code.
    """
    if GUARD is None or MPI.Is_finalized():
        return
    with suppress(OSError):
        os.write(int(GUARD), bytes([exit_code]))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, STUCK_S)
    MPI.Finalize()
    signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def exit_if_stuck(exit_code: int) -> Iterator[None]:
    """End this process if the block, a collective operation, hangs."""
    timer = threading.Timer(STUCK_S, leave_at_once, [exit_code])
    timer.daemon = True
    timer.start()
    yield
    timer.cancel()
