"""Waiting without a busy core: bounded exponential backoff."""

import time
from typing import Callable, Sequence

from mpi4py import MPI


class Backoff:
    """Each call sleeps twice as long as the last, from `shortest_s` up to `longest_s`."""

    def __init__(self, shortest_s: float = 50e-6, longest_s: float = 4e-3) -> None:
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._next_s = shortest_s

    def __call__(self) -> None:
        time.sleep(self._next_s)
        self._next_s = min(2 * self._next_s, self._longest_s)

    def reset(self) -> None:
        self._next_s = self._shortest_s


def wait_until(condition: Callable[[], bool], longest_s: float = 4e-3) -> None:
    """Sleep until `condition()` holds; it is asked at once and then at growing intervals."""
    pause = Backoff(longest_s=longest_s)
    while not condition():
        pause()


def wait_for(requests: Sequence[MPI.Request]) -> None:
    """Sleep until all requests are complete."""
    wait_until(lambda: MPI.Request.Testall(requests))
