"""When a run stops, and when it reached its target loss."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Mapping, Sequence

import numpy as np

from adsp_mpi.core.best import Best

HELD = 10
"""The target is reached when this many evaluations in a row are at or below it."""


def time_to_target(evaluations: Sequence[tuple[float, float]], target_loss: float) -> float | None:
    """The time of the first of `HELD` evaluations in a row at or below the target, or None.

    `evaluations` are (seconds, loss) pairs, earliest first; the time is in seconds.
    """
    start = _held_from(evaluations, target_loss)
    return None if start is None else evaluations[start][0]


def time_to_target_authors(
    evaluations: Sequence[tuple[float, float]], target_loss: float
) -> float | None:
    """The time of the tenth evaluation at or below the target, or None; they need not be in a row.

    Source: the authors' program for AAAI 2020, which made the paper's figures.
    """
    below = [t for t, loss in evaluations if loss <= target_loss]
    return below[HELD - 1] if len(below) >= HELD else None


def _held_from(evaluations: Sequence[tuple[float, float]], target_loss: float) -> int | None:
    run = 0
    for i, (_, loss) in enumerate(evaluations):
        run = run + 1 if loss <= target_loss else 0
        if run == HELD:
            return i - HELD + 1
    return None


STEPS_TAKEN = "every worker took its last step"
"""The reason to stop when nobody has steps left to take."""


@dataclass
class StopRule:
    """Decides whether a run stops, and why, after each evaluation and at given times.

    A limit of 0 is no limit; workers keep to `max_steps` by themselves. The run stops when the
    variance of the last `HELD` losses is at most `loss_variance`, or after `patience` evaluations
    without a new `best`.
    """

    target_loss: float = 0.0
    loss_variance: float = 0.0
    max_seconds: float = 0.0
    max_steps: int = 0
    patience: int = 0
    best: Best = field(default_factory=Best)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=HELD))

    def evaluated(self, metrics: Mapping[str, float]) -> str | None:
        """Record an evaluation with at least `loss`; returns the reason to stop, or None.

        Raises AdspError if it has not the metric by which the best is chosen.
        """
        self.best.evaluated(metrics)
        self.recent.append(metrics["loss"])
        return self.settled()

    def settled(self) -> str | None:
        """The reason to stop that the evaluations so far give, or None."""
        if self.patience and self.best.since >= self.patience:
            return f"{self.best.metric} has not been better for {self.best.since} evaluations"
        if len(self.recent) < HELD:
            return None
        if self.target_loss and max(self.recent) <= self.target_loss:
            return f"target loss {self.target_loss:g} held for {HELD} evaluations"
        if self.loss_variance and np.var(self.recent) <= self.loss_variance:
            return f"converged: variance of the last {HELD} losses at most {self.loss_variance:g}"
        return None

    @property
    def latest_s(self) -> float:
        """The time at which the run stops at the latest, in seconds."""
        return self.max_seconds or math.inf

    def progress(self, now: float, mean_steps: float) -> float:
        """The share of the run that is done at `now`, by the limit that comes first, 0 to 1.

        `mean_steps` is the number of steps that the workers have taken, their mean. Without a limit
        of time or steps it stays 0.
        """
        by_time = now / self.max_seconds if self.max_seconds else 0.0
        by_steps = mean_steps / self.max_steps if self.max_steps else 0.0
        return min(1.0, max(by_time, by_steps))

    def timed(self, now: float) -> str | None:
        """The reason to stop at `now` seconds since the start, or None."""
        if now >= self.latest_s:
            return f"{self.max_seconds:g} s are over"
        return None
