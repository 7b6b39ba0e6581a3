"""The other processes of this host: whether they live, where MPI itself may never say so."""

import os
import time
from pathlib import Path

import numpy as np

from adsp_mpi.core.patience import Process

ASK_SYSTEM_S = 0.5
PATIENCE_S = 2.0
"""A launcher that ends the job itself does so sooner."""


def look_at(process: int) -> Process:
    """The state of this host's process with this number; dead and not yet buried is dead."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return Process.DEAD
    except PermissionError:
        pass
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return Process.RUNNING
    letter = status.rpartition(")")[2].split()[0]
    if letter in "ZX":
        return Process.DEAD
    return Process.STOPPED if letter in "Tt" else Process.RUNNING


def is_gone(process: int) -> bool:
    """Whether the process with this number is no more, or dead and not yet buried."""
    return look_at(process) == Process.DEAD


class Processes:
    """What this host can see of the processes of all ranks, given as (host, number)."""

    def __init__(self, host: str, everyone: list[tuple[str, int]]) -> None:
        here = {rank: number for rank, (where, number) in enumerate(everyone) if where == host}
        # where the numbers mean nothing, as between containers, nothing can be seen
        self._here = here if not any(map(is_gone, here.values())) else {}
        self._seen = np.full(len(everyone), Process.ELSEWHERE)
        self._looked_s = -ASK_SYSTEM_S

    def look(self) -> np.ndarray:
        """The state of each rank's process, int[N] of `Process`, at most half a second old."""
        if time.monotonic() - self._looked_s >= ASK_SYSTEM_S:
            self._looked_s = time.monotonic()
            for rank, number in self._here.items():
                self._seen[rank] = look_at(number)
        return self._seen


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
