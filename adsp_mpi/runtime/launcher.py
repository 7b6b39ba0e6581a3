"""What an MPI launcher tells each of its processes in the environment."""

import os
import time
from contextlib import suppress

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")

LAUNCHER_TAKES_S = 5.0


def num_launched() -> int:
    """How many processes were started together; 1 without a launcher."""
    return max(_numbers(SIZES), default=1)


def launched_rank() -> int:
    """Which of them this process is."""
    return max(_numbers(RANKS), default=0)


def abort_by_launcher(exit_code: int) -> None:
    """Let the launcher end all processes without MPI.

    MPICH's does so when it is told on its line to this process; others when this one has failed.
    """
    line = os.environ.get("PMI_FD")
    if num_launched() > 1 and line is not None:
        with suppress(OSError):
            os.write(int(line), f"cmd=abort exitcode={exit_code}\n".encode())
        time.sleep(LAUNCHER_TAKES_S)


def _numbers(names: tuple[str, ...]) -> list[int]:
    texts = (os.environ.get(name, "") for name in names)
    return [int(text) for text in texts if text.isdecimal()]
