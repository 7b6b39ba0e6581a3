"""A worker's own state, on which its decisions depend."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, NoReturn

from adsp_mpi.core.actions import Targets
from adsp_mpi.errors import AdspError

MOST_NOT_FINITE = 10
"""After this many losses in a row that are not finite, training diverges whatever the weights."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wait that has begun: its start, its reason, and the basis of the decision to wait."""

    since_s: float
    reason: str
    version: int
    seen: float


@dataclass(slots=True)
class WorkerState:
    """The `me` of `next_action(now, me, board)`. Times are seconds since the run's start."""

    index: int
    configured_batch_size: int = 1
    steps: int = 0
    begun: int = 0  # commits begun; one more than `commits` while one is in flight
    commits: int = 0  # commits done
    rounds: int = 0  # commits done since the start or the last restore
    pulls: int = 0  # pulls since the start or the last restore
    steps_since_commit: int = 0
    last_commit_begun_s: float = 0.0
    step_s: float = 0.0  # the time of the last step
    rest_s: float = 0.0  # what is left of the time of a step that a pause cut short
    rest_until_s: float = 0.0  # when that rest, slept after the pause, ends; 0: no rest
    commit_s: float = 0.0  # O_i: the time from the begin of the last commit until it was done
    version: int = 0  # of the targets that the worker follows
    targets: Targets = field(default_factory=Targets)
    assigned_batch_size: int = 0
    commits_due: float = 0.0  # dC_i: commits due in the check period that these targets opened
    local_steps: float = 1.0  # planned for the next commit, as is the batch size
    batch_size: int = 1
    landed: int = 0  # commits of all workers in the global model, as last seen on the board
    landed_at_base: int = 0  # commits of all workers in the model that the local one started from
    staleness: int = 0  # the lag of the last commit when it landed
    sent_bytes: int = 0  # in the last commit
    seen: float = math.nan  # the smallest count on which the last decision was based; NaN: none
    commit_steps: int = 0  # local steps in the last commit
    commit_version: int = 0  # of the targets under which the last commit was decided
    commit_seen: float = math.nan  # `seen` of that decision
    paused: bool = False  # stands still, with no commit in flight, because rank 0 asked for it
    leaving: bool = False  # its last commit has begun, as all its steps are taken
    waits: int = 0  # begun
    not_finite: int = 0  # how many of the last steps, in a row, had a loss that is not finite
    doubt: str = ""  # the last such loss since the last commit, as words; "" if there was none
    waiting: Waiting | None = None

    def __post_init__(self) -> None:
        self.batch_size = self.configured_batch_size

    @property
    def in_flight(self) -> bool:
        """Whether a commit has begun and is not done."""
        return self.begun > self.commits

    @property
    def batch_share(self) -> float:
        """The batch size over the configured one."""
        return self.batch_size / self.configured_batch_size

    @property
    def lag(self) -> int:
        """The number of commits landed since the worker's base, as far as it has seen."""
        return max(0, self.lag_at(self.landed))

    def lag_at(self, landed: int) -> int:
        """The number of commits landed since the worker's base, if `landed` are in the model."""
        return landed - self.landed_at_base

    def checked_loss(self, loss: float) -> float:
        """The loss of the present step; NaN if it is not finite, as where it is not known.

        One such loss may be of a step that a gradient scaler skips; AdspError after
        `MOST_NOT_FINITE` of them in a row.
        """
        if math.isfinite(loss):
            self.not_finite = 0
            return loss
        self.not_finite += 1
        self.doubt = f"the loss became {loss} at its step {self.steps + 1}"
        if self.not_finite >= MOST_NOT_FINITE:
            self._diverged()
        return math.nan

    def require_finite(self, is_finite: Callable[[], bool]) -> None:
        """Before a commit: if a loss since the last one was not finite, ask for the weights.

        Raises AdspError unless they are finite.
        """
        if self.doubt and not is_finite():
            self._diverged()
        self.doubt = ""

    def _diverged(self) -> NoReturn:
        raise AdspError(
            f"worker {self.index}: {self.doubt}; try a smaller train.local_lr or sync.global_lr"
        )

    def state_dict(self) -> dict[str, Any]:
        """All fields as plain numbers and text, for `load_state_dict`."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        waiting = state["waiting"]
        values = {
            **state,
            "targets": Targets(**state["targets"]),
            "waiting": Waiting(**waiting) if waiting else None,
        }
        for name, value in values.items():
            setattr(self, name, value)
