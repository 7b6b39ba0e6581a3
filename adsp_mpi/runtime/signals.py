"""Watches for what asks a run to end in order: signals, or the death of its launcher."""

import os
import signal
import time
from types import FrameType

from adsp_mpi.errors import EXIT_INTERRUPTED

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
STOPPED = "stopped by a signal"
REPEATED_S = 1.0
"""Launchers may deliver one signal twice; a repetition after this time ends the process at once."""


class Signals:
    """A context in which `received` tells whether the run is to end.

    SIGUSR1 is ignored from then on: MPICH's launcher sends it to the others when a rank dies.
    """

    def __init__(self, has_launcher: bool) -> None:
        self._first_s: float | None = None
        self._launcher = os.getppid() if has_launcher else 0

    @property
    def received(self) -> bool:
        launcher_is_gone = self._launcher and os.getppid() != self._launcher
        return self._first_s is not None or bool(launcher_is_gone)

    def __enter__(self) -> "Signals":
        self._before = {number: signal.signal(number, self._receive) for number in WATCHED}
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first_s is None:
            self._first_s = now
        elif now - self._first_s > REPEATED_S:
            os._exit(EXIT_INTERRUPTED)
