"""The other processes of this host: whether they live, where MPI itself may never say so."""

import os
import time
from pathlib import Path

ASK_SYSTEM_S = 0.5
PATIENCE_S = 2.0
"""A launcher that ends the job itself does so sooner."""


def is_gone(process: int) -> bool:
    """Whether the process with this number is no more, or dead and not yet buried."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _is_zombie(process)


def _is_zombie(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "Z"


class Neighbours:
    """The ranks on one host, by process number, watched while a collective is waited for.

    Where the numbers mean nothing, as between containers, nobody is ever missed.
    """

    def __init__(self, processes: dict[int, int]) -> None:
        self.teller: int | None = None
        """Of the ranks that lived when the first was missed, the one that tells it."""

        known = not any(map(is_gone, processes.values()))
        self._processes = processes if known else {}
        self.begin()

    def begin(self) -> None:
        """A wait begins."""
        self._asked_s = self._complete_s = time.monotonic()

    def missing(self) -> int | None:
        """A rank that has been gone for so long that nobody else will end the job."""
        now = time.monotonic()
        if now - self._asked_s < ASK_SYSTEM_S:
            return None
        self._asked_s = now
        gone = {rank for rank, process in self._processes.items() if is_gone(process)}
        if not gone:
            self._complete_s = now
        elif self.teller is None:
            self.teller = min(self._processes.keys() - gone)
        return min(gone) if now - self._complete_s > PATIENCE_S else None
