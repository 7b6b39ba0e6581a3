"""What the steering of a run needs from the engine that it runs on."""

import math
from dataclasses import dataclass
from typing import Callable, Protocol

from adsp_mpi.core.actions import Observed, Tell
from adsp_mpi.core.board import Board


@dataclass(frozen=True, slots=True)
class Until:
    """A wait until second `moment` of the run, or until `ready()` holds if that is sooner."""

    moment: float
    ready: Callable[[], bool]


def workers_have(board: Board, name: str, value: float) -> Until:
    """A wait until the field `name` of the row is `value` for every present worker."""
    return Until(math.inf, lambda: bool(((board.column(name) == value) | ~board.present).all()))


class Judging(Protocol):
    """An evaluation of the global model that may be under way."""

    def done(self) -> bool:
        """Whether it is over."""

    def result(self) -> dict[str, float]:
        """Its metrics with at least `loss`; {}: take the loss of the workers. Waits for them.

        Raises whatever the evaluation raised.
        """


@dataclass(frozen=True, slots=True)
class Judged:
    """An evaluation that was over at once."""

    metrics: dict[str, float]

    def done(self) -> bool:
        return True

    def result(self) -> dict[str, float]:
        return self.metrics


class ServerEngine(Protocol):
    """What `Steering` needs from its engine."""

    @property
    def board(self) -> Board:
        """The board of the run."""

    def now(self) -> float:
        """Seconds since the run's start."""

    def judge(self) -> Judging:
        """Begin to evaluate the global model as it is now."""

    def judged(self, now: float, trial: bool, metrics: dict[str, float]) -> None:
        """Record the metrics of an evaluation that began at `now`."""

    def keep_model(self, best: bool) -> None:
        """Keep the model judged last, whose loss is finite; it may be the `best` so far."""

    def outer_step(self) -> None:
        """Make the commit rule's outer step on the global model, and record its norm."""

    def take_snapshot(self) -> None:
        """Keep a copy of the global model and of its commit rule's state."""

    def put_back_snapshot(self) -> None:
        """Restore the global model and its commit rule's state from the copy."""

    def targets_changed(self, phase: str) -> None:
        """Record the new targets on the board."""

    def told(self, told: Tell) -> None:
        """Record the numbers that a scheme reports."""

    def observed(self, seen: Observed) -> None:
        """Record the observation that the scheduler is about to receive."""

    def interrupted(self) -> str | None:
        """The reason why the run must end at once, or None."""
