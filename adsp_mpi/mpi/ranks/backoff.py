"""Waiting without a busy core: bounded exponential backoff."""

import math
import os
import time
from typing import Callable, Sequence

from mpi4py import MPI

from adsp_mpi.errors import EXIT_FAILED
from adsp_mpi.mpi.ranks.liveness import ORPHANS_PATIENCE_S, launcher_is_gone

SHORTEST_S = 50e-6
MOST_PATIENT_S = 20e-3

EAGER_S, IDLE_S = 1e-4, 8e-3
"""How often a thread that serves others looks for messages, busy and idle."""


class Backoff:
    """Sleeps twice as long at each call, up to `longest_s`, or to the call's `at_most_s`.

    If `patient`, it sleeps for a sixteenth of the time so far if that is longer, up to 20 ms.
    """

    def __init__(self, longest_s: float = 4e-3, patient: bool = False) -> None:
        self._longest_s = longest_s
        self._patient = patient
        self._next_s = SHORTEST_S
        self.slept_s = 0.0

    def __call__(self, at_most_s: float = math.inf) -> None:
        seconds = max(SHORTEST_S, min(self._next_s, at_most_s))
        time.sleep(seconds)
        self.slept_s += seconds
        longest_s = self._longest_s
        if self._patient:
            longest_s = max(longest_s, min(self.slept_s / 16, MOST_PATIENT_S))
        self._next_s = min(2 * self._next_s, longest_s)

    def reset(self) -> None:
        """Begin with short sleeps again."""
        self._next_s, self.slept_s = SHORTEST_S, 0.0


def wait_until(condition: Callable[[], bool], longest_s: float = 4e-3) -> None:
    """Sleep until `condition()` holds, which is checked at once and then at growing intervals.

    A rank whose launcher is gone does not wait for long: the others may be gone too.
    """
    pause = Backoff(longest_s=longest_s)
    while not condition():
        pause()
        if pause.slept_s > ORPHANS_PATIENCE_S and launcher_is_gone():
            os._exit(EXIT_FAILED)


def wait_for(requests: Sequence[MPI.Request]) -> None:
    """Sleep until all requests are complete."""
    if not MPI.Request.Testall(requests):
        wait_until(lambda: MPI.Request.Testall(requests))
