"""What the two halves of a synchronization model can ask of the engine that runs them.

The worker half returns one WorkerAction at a time. The scheduler half, a generator on rank 0,
yields SchedulerActions and receives an `Observed` for each.
"""

import math
from dataclasses import dataclass, field
from typing import Generator

import numpy as np


@dataclass(frozen=True, slots=True)
class Step:
    """Train one mini-batch."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Send the update accumulated since the last commit, times `weight` times the global rate."""

    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Pull:
    """Take the global model; with `keep_local`, add what was learnt since the last commit."""

    keep_local: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until the board changes, or second `until_s`; the trace shows the `reason`.

    ValueError for a reason that is not ASCII.
    """

    reason: str
    until_s: float = math.inf

    def __post_init__(self) -> None:
        if not self.reason.isascii():
            raise ValueError(f"Wait: the reason {self.reason!r} must be ASCII text")


WorkerAction = Step | Commit | Pull | Wait


@dataclass(frozen=True, slots=True)
class Targets:
    """The numbers by which the scheduler steers the workers; a model uses those it needs.

    `local_steps` and the batch sizes are a worker's plan: it takes up a new one when it begins
    to count steps for its next commit, and not before it has done `from_round` rounds. The
    engine sets `from_round` so that all workers change in the same round, and `since_s`.
    """

    commit_target: float = 0.0  # C_target: commits each worker shall have made at the next check
    commit_rate: float = 0.0  # commits per check period that the target rises by
    check_period_s: float = 0.0  # Gamma
    local_steps: float = 1.0  # tau
    from_round: float = 0.0
    since_s: float = 0.0  # when the check period began


@dataclass(frozen=True, slots=True)
class Run:
    """Let the workers train under `targets` for `seconds`.

    `phase` is what trace and screen show; the losses of a `TRIAL` do not count for the target.
    `batch_sizes` holds one size per worker; empty: as configured.
    """

    targets: Targets
    seconds: float
    phase: str = "train"
    batch_sizes: tuple[int, ...] = ()


TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Keep a copy of the global model, with no commit half in it."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Go back to the last snapshot: every worker takes it and forgets what it learnt since.

    Counts go on rising, but rounds begin at 0 again.
    """


@dataclass(frozen=True, slots=True)
class Tell:
    """Put a model's own numbers into the trace and on the screen. Takes no time."""

    table: str
    values: dict[str, float] = field(default_factory=dict)


SchedulerAction = Run | Snapshot | Restore | Tell


@dataclass(frozen=True, slots=True)
class Observed:
    """What the scheduler learns when a `Run` is over.

    `losses` are (seconds since the start of the run, global loss) pairs seen during it, its
    first and last moment included. The arrays are [M]: counts so far, the recent time per
    sample of each worker (0: unknown yet), the seconds it trained and those in which it could
    not because of commits, and who takes part.
    """

    now: float
    losses: tuple[tuple[float, float], ...]
    steps: np.ndarray
    commits: np.ndarray
    sample_s: np.ndarray
    training_s: np.ndarray
    commit_s: np.ndarray
    present: np.ndarray

    @property
    def max_commits(self) -> float:
        """Largest commit count of a present worker; 0 when none is present."""
        return float(self.commits[self.present].max(initial=0))

    @property
    def last_loss(self) -> float:
        """The latest loss; NaN when there is none."""
        return self.losses[-1][1] if self.losses else float("nan")


@dataclass(frozen=True, slots=True)
class Setup:
    """What a scheduler may know of the run. `target_loss` 0 means none."""

    num_workers: int
    batch_size: int
    target_loss: float = 0.0


SchedulerGenerator = Generator[SchedulerAction, Observed, None]
