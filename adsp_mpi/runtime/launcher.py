"""What an MPI launcher puts into the environment of its processes."""

import fcntl
import os
import sys
import termios
import time
from array import array
from contextlib import suppress

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")

HIDDEN = ("PMI_", "PMIX_", "OMPI_COMM_WORLD_", "MPI_LOCAL", "MV2_COMM_WORLD_")
"""Prefixes of variables by which other libraries would take our ranks for theirs."""

LAUNCHER_TAKES_S = 5.0
READS_WITHIN_S = 1.0

_hidden: dict[str, str] = {}


def num_launched() -> int:
    """The number of processes that were started together; 1 without a launcher."""
    return max(_numbers(SIZES), default=1)


def launched_rank() -> int:
    """This process's number among them."""
    return max(_numbers(RANKS), default=0)


def under_launcher() -> bool:
    """Whether a launcher started this process, alone or with others."""
    return any(_variable(name) is not None for name in (*RANKS, "PMIX_RANK"))


def abort_by_launcher(exit_code: int) -> None:
    """Let the launcher end all processes, without using MPI.

    MPICH's launcher is told through its pipe to this process; others end all when one has failed.
    """
    line = _variable("PMI_FD")
    if num_launched() > 1 and line is not None:
        wait_until_read(sys.stderr.fileno())
        with suppress(OSError):
            os.write(int(line), f"cmd=abort exitcode={exit_code}\n".encode())
        time.sleep(LAUNCHER_TAKES_S)


def wait_until_read(output: int) -> None:
    """Wait until the launcher has read what was written to the pipe `output`, 1 s at most.

    Otherwise its end can overtake the message that says why it ends.
    """
    unread = array("i", [1])
    end_s = time.monotonic() + READS_WITHIN_S
    with suppress(OSError):
        while unread[0] and time.monotonic() < end_s:
            fcntl.ioctl(output, termios.FIONREAD, unread)
            time.sleep(0.01)


def hide_launcher() -> None:
    """Take the launcher's variables out of the environment; the functions here still know them.

    Libraries such as Accelerate open a process group of their own where they find them.
    """
    for name in [name for name in os.environ if name.startswith(HIDDEN)]:
        _hidden[name] = os.environ.pop(name)


def _variable(name: str) -> str | None:
    return os.environ.get(name) or _hidden.get(name)


def _numbers(names: tuple[str, ...]) -> list[int]:
    texts = (_variable(name) or "" for name in names)
    return [int(text) for text in texts if text.isdecimal()]
