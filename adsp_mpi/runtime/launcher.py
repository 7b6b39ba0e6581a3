"""What an MPI launcher puts into the environment of its processes."""

import os
import time
from contextlib import suppress

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")

LAUNCHER_TAKES_S = 5.0


def num_launched() -> int:
    """The number of processes that were started together; 1 without a launcher."""
    return max(_numbers(SIZES), default=1)


def launched_rank() -> int:
    """This process's number among them."""
    return max(_numbers(RANKS), default=0)


def abort_by_launcher(exit_code: int) -> None:
    """Let the launcher end all processes, without using MPI.

    MPICH's launcher is told through its pipe to this process; others end all when one has failed.
    """
    line = os.environ.get("PMI_FD")
    if num_launched() > 1 and line is not None:
        with suppress(OSError):
            os.write(int(line), f"cmd=abort exitcode={exit_code}\n".encode())
        time.sleep(LAUNCHER_TAKES_S)


def _numbers(names: tuple[str, ...]) -> list[int]:
    texts = (os.environ.get(name, "") for name in names)
    return [int(text) for text in texts if text.isdecimal()]
