"""The newest and the best model of a run, on disk as the run goes on."""

import os
import time
from typing import Callable

from adsp_mpi.errors import warn

LARGEST_SHARE = 0.05
"""The newest model is written as often as takes no more than this share of the time."""


class ModelFiles:
    """Writes `best` at every evaluation that is the best so far, and `last` from time to time.

    `save(name)` writes the present model. A disk that is full is a warning.
    """

    def __init__(self, save: Callable[[str], object]) -> None:
        self._save = save
        self._next_s = 0.0
        self.failed: dict[str, str] = {}
        """Why the newest version of a file is not on disk, by the file's name."""

    def evaluated(self, best: bool) -> None:
        """The present model has been evaluated and is, or is not, the best so far."""
        if best:
            self.write("best")
        if time.monotonic() >= self._next_s:
            self.write("last")

    def write(self, name: str) -> None:
        """Write the present model under this name."""
        began_s = time.monotonic()
        try:
            self._save(name)
            self.failed.pop(name, None)
        except (OSError, RuntimeError) as error:
            number = getattr(error, "errno", None)
            reason = os.strerror(number) if number else str(error).splitlines()[0]
            if name not in self.failed:
                warn(f"no {name} model: {reason}; training goes on")
            self.failed[name] = reason
        ended_s = time.monotonic()
        if name == "last":
            self._next_s = ended_s + (ended_s - began_s) / LARGEST_SHARE
