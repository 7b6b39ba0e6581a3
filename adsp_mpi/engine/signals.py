"""SIGINT and SIGTERM ask a run to end in order; a second one ends the rank at once."""

import os
import signal
from types import FrameType

from adsp_mpi.errors import EXIT_INTERRUPTED

WATCHED = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """A context in which signals are counted in `received`."""

    def __init__(self) -> None:
        self.received = 0

    def __enter__(self) -> "Signals":
        self._before = {number: signal.signal(number, self._receive) for number in WATCHED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received += 1
        if self.received > 1:
            os._exit(EXIT_INTERRUPTED)
