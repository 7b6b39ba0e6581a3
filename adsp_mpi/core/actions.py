"""What the two halves of a synchronization model can ask of the engine that runs them.

The worker half returns one WorkerAction at a time. The scheduler half, a generator on rank 0,
yields SchedulerActions and receives an `Observed` for each.
"""

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
    """Replace the local model by the global one."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until the board changes; `reason` is what the trace shows."""

    reason: str


WorkerAction = Step | Commit | Pull | Wait


@dataclass(frozen=True, slots=True)
class Targets:
    """The numbers by which the scheduler steers the workers; a model uses those it needs."""

    commit_target: float = 0.0  # C_target: commits each worker shall have made at the next check
    commit_rate: float = 0.0  # commits per check period that the target rises by
    check_period_s: float = 0.0  # Gamma
    local_steps: float = 1.0  # tau


@dataclass(frozen=True, slots=True)
class Run:
    """Let the workers train under `targets` for `seconds`; `phase` is what the screen shows."""

    targets: Targets
    seconds: float
    phase: str = "train"


@dataclass(frozen=True, slots=True)
class Tell:
    """Put a model's own numbers into the trace and on the screen. Takes no time."""

    table: str
    values: dict[str, float] = field(default_factory=dict)


SchedulerAction = Run | Tell


@dataclass(frozen=True, slots=True)
class Observed:
    """What the scheduler learns when a `Run` is over.

    `losses` are (seconds since the start of the run, global loss) pairs seen during it, its
    first and last moment included; `steps` and `commits` hold one count per present worker.
    """

    now: float
    losses: tuple[tuple[float, float], ...]
    steps: np.ndarray
    commits: np.ndarray


@dataclass(frozen=True, slots=True)
class Goal:
    """What the run is for, as far as a scheduler may know it. `target_loss` 0 means none."""

    target_loss: float = 0.0


SchedulerGenerator = Generator[SchedulerAction, Observed, None]
