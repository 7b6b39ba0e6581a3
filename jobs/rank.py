"""Stands between a launcher and one rank:

    mpirun -disable-auto-cleanup -n 8 python jobs/rank.py python -m adsp_mpi      MPICH
    mpirun --enable-recovery -n 8 python jobs/rank.py python -m adsp_mpi          Open MPI

A rank that is killed while it trains does not end the others: MPICH's launcher ends the job when a
process of its own is killed; this one lives on, and leaves with exit code 0. A rank that dies
before everybody trains, even before MPI has started, ends the job: the others would wait for it
for ever. And a rank that is told to stop has the time to write: Open MPI's launcher kills its
processes 0.25 s after SIGTERM, but not a group of its own, which the rank gets here.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from array import array
from contextlib import suppress

STARTED = "ADSP_MPI_STARTED_FD"
"""The variable with the pipe through which the rank says that the others can do without it."""

PR_SET_PDEATHSIG = 1
LAUNCHER_TAKES_S = 5.0
READS_WITHIN_S = 1.0


def stand_between(command: list[str]) -> int:
    """Run a rank and forward signals to it; returns its exit code, 0 if it was killed."""
    # hold signals back until the rank can take them
    forwarded = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    received: list[int] = []
    for number in forwarded:
        signal.signal(number, lambda number, _frame: received.append(number))
    has_started, tells_it = os.pipe()
    os.set_blocking(has_started, False)
    os.set_inheritable(tells_it, True)
    given = int(os.environ.get("PMI_FD", "-1"))
    line = os.dup(given) if given >= 0 else None  # a copy that the rank does not inherit
    rank = subprocess.Popen(
        command,
        close_fds=False,
        process_group=0,
        env={**os.environ, STARTED: str(tells_it)},
        preexec_fn=die_with_parent,
    )
    if line is not None:
        os.close(given)

    def forward(number: int, _frame: object) -> None:
        received.append(number)
        rank.send_signal(number)

    for number in forwarded:
        signal.signal(number, forward)
    for number in list(received):
        rank.send_signal(number)
    code = rank.wait()
    # MPICH's launcher reports every rank that has ended to the others
    signal.pthread_sigmask(signal.SIG_BLOCK, forwarded)
    stopped = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR2} & set(received)
    told = said(has_started)
    if code == -signal.SIGALRM and len(told) > 1:
        return told[-1]  # all was done, but MPI_Finalize waited for a dead rank
    if code and not stopped and not told:
        rank_number = os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK", "?")
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        text = f"adsp_mpi: error: rank {rank_number} {how} before training had begun everywhere"
        print(text, file=sys.stderr, flush=True)
        wait_until_read(sys.stderr.fileno())
        end_job(line, abs(code) if code > 0 else 1)
    return max(0, code)


def die_with_parent() -> None:
    """Called in the rank before it begins: it dies with rank.py until it says that it trains."""
    with suppress(AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def said(pipe: int) -> bytes:
    """The bytes in the pipe: one when training had begun, and at the end the exit code."""
    with suppress(BlockingIOError):
        return os.read(pipe, 16)
    return b""


def wait_until_read(output: int) -> None:
    """As in adsp_mpi/runtime/launcher.py, without which this file works too."""
    unread = array("i", [1])
    end_s = time.monotonic() + READS_WITHIN_S
    with suppress(OSError):
        while unread[0] and time.monotonic() < end_s:
            fcntl.ioctl(output, termios.FIONREAD, unread)
            time.sleep(0.01)


def end_job(line: int | None, code: int) -> None:
    """Let the launcher end all ranks, as MPI_Abort would; `line` is the pipe to MPICH's."""
    if line is not None:
        os.write(line, f"cmd=abort exitcode={code}\n".encode())
    elif "OMPI_COMM_WORLD_RANK" in os.environ:
        os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(LAUNCHER_TAKES_S)


if __name__ == "__main__":
    sys.exit(stand_between(sys.argv[1:]))
