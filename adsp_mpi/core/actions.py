"""The actions that a synchronization scheme can ask of the engine that runs it.

The worker half returns one WorkerAction at a time. The scheduler half, a generator on rank 0,
yields SchedulerActions and receives an `Observed` for each.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Generator

import numpy as np


@dataclass(frozen=True, slots=True)
class Step:
    """Train one mini-batch."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit the update since the last commit, multiplied by `weight` and the global rate eta."""

    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Pull:
    """Replace the local model by the global one; `keep_local` adds the uncommitted update to it."""

    keep_local: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until the board changes or the run's clock shows `until_s`, whichever is first.

    The trace shows the `reason`. Raises ValueError for a reason that is not ASCII.
    """

    reason: str
    until_s: float = math.inf

    def __post_init__(self) -> None:
        if not self.reason.isascii():
            raise ValueError(f"Wait: the reason {self.reason!r} must be ASCII text")


WorkerAction = Step | Commit | Pull | Wait


@dataclass(frozen=True, slots=True)
class Pause:
    """Do not train, as rank 0 asks; not an action of a scheme.

    `due` is what to do meanwhile: ADMIT, SAVE, RESTORE, KEEP, or "" for nothing.
    """

    ADMIT: ClassVar[str] = "admit"  # take the global model and the counts that rank 0 gave
    SAVE: ClassVar[str] = "save"  # write this worker's part of a checkpoint
    RESTORE: ClassVar[str] = "restore"  # take the snapshot, which is the global model now
    KEEP: ClassVar[str] = "keep"  # keep the state of its optimizer for a restore

    reason: str
    due: str = ""


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave: the run is over or all steps are taken; not an action of a scheme."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The numbers by which the scheduler steers the workers; each scheme uses those it needs.

    `local_steps` and the batch sizes are a worker's plan. A worker adopts a new plan when it starts
    to count steps for its next commit, but not before it has done `from_round` rounds. The engine
    sets `since_s`, and `from_round` so that all workers change their plan in the same round.
    """

    commit_target: float = 0.0  # C_target, the commits of each worker at the end of the period
    commit_rate: float = 0.0  # by how much the target rises per check period
    check_period_s: float = 0.0  # Gamma
    local_steps: float = 1.0  # tau
    from_round: float = 0.0
    since_s: float = 0.0  # start of the check period on the run's clock


@dataclass(frozen=True, slots=True)
class Run:
    """Let the workers train with these `targets` for `seconds`.

    The trace and the screen show the `phase`; losses in a `TRIAL` do not count for the target loss.
    `batch_sizes` holds one size per worker; empty means the configured size.
    """

    targets: Targets
    seconds: float
    phase: str = "train"
    batch_sizes: tuple[int, ...] = ()


TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Keep a copy of the global model, taken while no commit is in flight."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Return to the last snapshot: every worker takes it and drops what it has learnt since.

    Counts of steps and commits go on; rounds start again at 0.
    """


@dataclass(frozen=True, slots=True)
class Tell:
    """Record a scheme's own numbers in the trace and show them on the screen; takes no time."""

    table: str
    values: dict[str, float] = field(default_factory=dict)


SchedulerAction = Run | Snapshot | Restore | Tell


@dataclass(frozen=True, slots=True)
class Observed:
    """The state of the run when a scheduler's action is done.

    `losses` are (seconds since the start of the run, global loss) pairs, earliest first: those
    evaluated during the action, and at its start and end. The arrays have one element per worker.
    """

    now: float
    losses: tuple[tuple[float, float], ...]
    steps: np.ndarray  # so far
    commits: np.ndarray  # so far
    sample_s: np.ndarray  # recent seconds per sample; 0: not known yet
    training_s: np.ndarray  # seconds so far in which it trained
    commit_s: np.ndarray  # seconds so far in which a commit kept it from training
    present: np.ndarray  # bool: it takes part in the run
    raised_commits: float = 0.0
    """By how much the commit target was raised so far while evaluations took longer than a period.

    A scheduler leaves it out of its own target: it is added to that."""

    @property
    def max_commits(self) -> float:
        """The largest commit count of a present worker less `raised_commits`, at least 0."""
        return max(0.0, float(self.commits[self.present].max(initial=0)) - self.raised_commits)

    @property
    def last_loss(self) -> float:
        """The latest loss; NaN if there is none."""
        return self.losses[-1][1] if self.losses else float("nan")


@dataclass(frozen=True, slots=True)
class Setup:
    """What a scheduler knows of the run from the start; a `target_loss` of 0 means none."""

    num_workers: int
    batch_size: int
    target_loss: float = 0.0


SchedulerGenerator = Generator[SchedulerAction, Observed, None]
