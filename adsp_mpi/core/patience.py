"""When a rank that gives no sign of life is gone: one rule for all who watch over others.

A rank gives heartbeats from a thread of its own, so that a long step, a slow data loader or a
compilation is no silence. Where its process can be seen, on the same host, that counts too.
"""

import math
from enum import IntEnum

import numpy as np


class Process(IntEnum):
    """What can be seen of a rank's process."""

    ELSEWHERE = 0  # on another host: nothing
    RUNNING = 1
    STOPPED = 2  # by a signal or a debugger
    DEAD = 3


PATIENCE_S = {
    Process.ELSEWHERE: 15.0,
    Process.RUNNING: 60.0,  # something holds its interpreter, heartbeats and all
    Process.STOPPED: 5.0,
    Process.DEAD: 1.0,  # a launcher that ends the job itself does it sooner
}
"""Seconds without a sign of life after which a rank is gone, when the others can do without it."""

NEEDED_PATIENCE_S = {
    Process.ELSEWHERE: 30.0,
    Process.RUNNING: math.inf,
    Process.STOPPED: math.inf,
    Process.DEAD: 1.0,
}
"""The same for a rank without which the run is over: rank 0, and servers of a part of the model."""

HEARTBEAT_S = 0.5
"""How often a rank gives a sign of life."""

LOOK_AT_MOST_S = 1.0
"""What the time between two looks counts at most: the watcher may have been suspended itself."""

_OF_WORKERS: np.ndarray = np.array([PATIENCE_S[process] for process in Process])


def patience_s(processes: np.ndarray) -> np.ndarray:
    """`PATIENCE_S` of ranks whose processes are as said, int[N] of `Process`; float64[N]."""
    return np.take(_OF_WORKERS, processes)


class Silence:
    """For how long each of several ranks has given no sign of life, as one who looks counts it."""

    def __init__(self, signs: np.ndarray) -> None:
        """`signs`, float64[N]: numbers that change with every sign of life."""
        self.seconds = np.zeros(len(signs))
        self._signs = signs.copy()
        self._looked_s: float | None = None

    def look(self, now: float, signs: np.ndarray) -> np.ndarray:
        """Take in the `signs` of this moment; for how long each has been silent, float64[N]."""
        passed_s = 0.0 if self._looked_s is None else now - self._looked_s
        self._looked_s = now
        silent_s = self.seconds + min(passed_s, LOOK_AT_MOST_S)
        self.seconds = np.where(signs != self._signs, 0.0, silent_s)
        self._signs = signs.copy()
        return self.seconds
