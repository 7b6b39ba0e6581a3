"""Who is alive: processes on this host by their ids, ranks elsewhere by their heartbeats, and the
launcher. core/patience.py says how long silence may last.
"""

import math
import os
import time
from pathlib import Path
from typing import Sequence

import numpy as np

from adsp_mpi.core.patience import NEEDED_PATIENCE_S, Process, Silence

ASK_SYSTEM_S = 0.5

LAUNCHER = os.getppid()
ORPHANS_PATIENCE_S = 5.0
"""Ranks whose launcher is gone may still end a run in order."""


def launcher_is_gone() -> bool:
    """Whether the process that started this rank is gone."""
    return os.getppid() != LAUNCHER


def look_at(process: int) -> Process:
    """The state of the process with this id on this host; a zombie is dead."""
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


def number_space() -> str:
    """The name of this process's PID namespace, which differs between containers."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


class Processes:
    """The states of the processes of all ranks, as far as this host can see them.

    `everyone` holds the host, the PID namespace and the process id of each rank.
    """

    def __init__(self, rank: int, everyone: Sequence[tuple[str, str, int]]) -> None:
        mine = everyone[rank][:2]
        here = {r: found[2] for r, found in enumerate(everyone) if found[:2] == mine}
        alive = all(look_at(number) != Process.DEAD for number in here.values())
        self._here = here if alive else {}
        self._seen = np.full(len(everyone), Process.ELSEWHERE)
        self._looked_s = -ASK_SYSTEM_S

    def look(self) -> np.ndarray:
        """The state of each rank's process, int[N] of `Process`, at most half a second old."""
        if time.monotonic() - self._looked_s >= ASK_SYSTEM_S:
            self._looked_s = time.monotonic()
            for rank, number in self._here.items():
                self._seen[rank] = look_at(number)
        return self._seen


class Watch:
    """Watches whether one of the needed `ranks` is gone; `processes` are those of all ranks.

    `with_signs`, ranks on other hosts are judged by their signs of life, numbers that change with
    every sign; else they never count as gone.
    """

    def __init__(self, processes: Processes, ranks: Sequence[int], with_signs: bool) -> None:
        self._processes = processes
        self._ranks = list(ranks)
        self._no_signs = np.zeros(len(self._ranks))
        self._silence = Silence(self._no_signs)
        patience_s = NEEDED_PATIENCE_S | ({} if with_signs else {Process.ELSEWHERE: math.inf})
        self._patience_s = np.array([patience_s[process] for process in Process])

    def gone(self, signs: np.ndarray | None = None) -> list[int]:
        """The ranks that are gone by now; `signs`, float64[N], are those of the watched ranks."""
        seen = self._processes.look()[self._ranks]
        patience_s = np.take(self._patience_s, seen)
        signs = self._no_signs if signs is None else signs
        signs = np.where(seen == Process.DEAD, 0.0, signs)  # memory that it shared still answers
        silent_s = self._silence.look(time.monotonic(), signs)
        self._silence.seconds = np.where(np.isinf(patience_s), 0.0, silent_s)
        over = self._silence.seconds > patience_s
        return [rank for rank, is_over in zip(self._ranks, over, strict=True) if is_over]
