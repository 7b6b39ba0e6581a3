"""Tells everybody who follows a run what happens in it, on rank 0 and for both engines."""

import logging
from pathlib import Path
from typing import Sequence

from adsp_mpi.core.board import Board
from adsp_mpi.core.callbacks import NO_CALLBACKS, Callbacks
from adsp_mpi.errors import LOGGER
from adsp_mpi.learn.workload import Logger
from adsp_mpi.runtime.server_trace import ServerTrace
from adsp_mpi.screen import Screen, Status, describe_metrics


class Events:
    """Events go to the trace, the screen, Python's logging, and what the user has given.

    `loggers` are called after every evaluation with its numbers, by name, and the steps of all
    workers; `callbacks` after evaluations and checkpoints. Records of the logger have a `kind` and
    `seconds`, the run's clock.
    """

    def __init__(
        self,
        trace: ServerTrace,
        screen: Screen,
        loggers: Sequence[Logger] = (),
        callbacks: Callbacks = NO_CALLBACKS,
    ) -> None:
        self._trace = trace
        self._screen = screen
        self._loggers = loggers
        self._callbacks = callbacks

    def show(self, status: Status) -> None:
        """Show the state of the run on the screen."""
        self._screen.update(status)

    def note(self, text: str) -> None:
        """Say a line about the run before it begins."""
        self._screen.note(text)
        LOGGER.info(text)

    def tell(self, now: float, kind: str, text: str) -> None:
        """Tell of a rare event of this `kind`, one word, at second `now`."""
        self._trace.part.event(now, kind, text)
        self._screen.note(f"{now:8.1f} s  {kind}: {text}")
        _log(now, kind, text)

    def evaluated(
        self, now: float, duration_s: float, board: Board, trial: bool, metrics: dict[str, float]
    ) -> None:
        """Tell of an evaluation of the model as it was at second `now`."""
        self._trace.evaluation(now, duration_s, board, trial, metrics)
        level = logging.DEBUG if trial else logging.INFO
        _log(now, "evaluation", describe_metrics(metrics), level)
        steps, commits = int(board.column("steps").sum()), board.landed
        for log in self._loggers:
            log({**metrics, "seconds": now, "commits": commits}, steps)
        facts = {"seconds": now, "duration_s": duration_s, "steps": steps, "commits": commits}
        self._callbacks.call("on_evaluation", {**facts, "trial": trial, "metrics": dict(metrics)})

    def saved(self, now: float, seconds: float, path: Path) -> None:
        """Tell of the whole checkpoint `path` of second `now`, which took `seconds` to write.

        One that took no time, as in a simulation, is on no screen and in no trace.
        """
        number = int(path.name)
        if seconds:
            text = f"{number} of {now:.1f} s, written in {seconds:.2f} s"
            self.tell(now + seconds, "checkpoint", text)
        else:
            _log(now, "checkpoint", str(number))
        facts = {"seconds": now, "duration_s": seconds, "number": number, "path": str(path)}
        self._callbacks.call("on_checkpoint", facts)

    def ended(self, now: float, reason: str) -> None:
        """Tell that the training ended at second `now`; the trace is whole then."""
        self._trace.part.event(now, "end", reason)
        self._trace.part.attributes("/", {"end_s": now, "reason": reason})
        _log(now, "end", reason)


def _log(now: float, kind: str, text: str, level: int = logging.INFO) -> None:
    LOGGER.log(level, "%.1f s  %s: %s", now, kind, text, extra={"kind": kind, "seconds": now})
