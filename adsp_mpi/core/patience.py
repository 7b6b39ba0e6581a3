"""How long a rank may be silent before it counts as gone: one rule for all watchers.

A rank gives heartbeats from a thread of its own, so a long step, a slow data loader or a
compilation is not silence. On the same host the state of its process counts too.
"""

import math
from enum import IntEnum
from typing import Any

import numpy as np


class Process(IntEnum):
    """The state of a rank's process, as another rank sees it."""

    ELSEWHERE = 0  # on another host: unknown
    RUNNING = 1
    STOPPED = 2  # by a signal or a debugger
    DEAD = 3


PATIENCE_S = {
    Process.ELSEWHERE: 15.0,
    Process.RUNNING: 60.0,  # something holds its interpreter, heartbeats and all
    Process.STOPPED: 5.0,
    Process.DEAD: 1.0,  # a launcher that ends the job itself does it sooner
}
"""Seconds of silence after which a worker is gone: the run goes on without it."""

NEEDED_PATIENCE_S = {
    Process.ELSEWHERE: 30.0,
    Process.RUNNING: math.inf,
    Process.STOPPED: math.inf,
    Process.DEAD: 1.0,
}
"""Seconds of silence after which rank 0 or another server is gone: the run is over then."""

HEARTBEAT_S = 0.5
"""The time between two heartbeats of a rank."""

LOOK_AT_MOST_S = 1.0
"""The most that the time between two looks counts: the watcher itself may have been suspended."""

_OF_WORKERS: np.ndarray = np.array([PATIENCE_S[process] for process in Process])


def patience_s(processes: np.ndarray) -> np.ndarray:
    """The `PATIENCE_S`, float64[N], for processes in these states, int[N] of `Process`."""
    return np.take(_OF_WORKERS, processes)


class Silence:
    """Counts for how long each of several ranks has given no sign of life."""

    def __init__(self, signs: np.ndarray) -> None:
        """`signs`, float64[N], are numbers that change with every sign of life."""
        self.seconds = np.zeros(len(signs))
        self._signs = signs.copy()
        self._looked_s: float | None = None

    def look(self, now: float, signs: np.ndarray) -> np.ndarray:
        """Compare with the present `signs`; returns each rank's seconds of silence, float64[N]."""
        passed_s = 0.0 if self._looked_s is None else now - self._looked_s
        self._looked_s = now
        silent_s = self.seconds + min(passed_s, LOOK_AT_MOST_S)
        self.seconds = np.where(signs != self._signs, 0.0, silent_s)
        self._signs = signs.copy()
        return self.seconds

    def state_dict(self) -> dict[str, Any]:
        """For `load_state_dict`."""
        return {"seconds": self.seconds, "signs": self._signs, "looked_s": self._looked_s}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.seconds, self._signs = state["seconds"], state["signs"]
        self._looked_s = state["looked_s"]
