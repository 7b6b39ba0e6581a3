"""Changes over time of a profile's base conditions.

A change depends only on its arguments, the seed and its place in the profile: the order of calls
does not matter.
"""

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Sequence

import numpy as np

JITTER, STRAGGLE = 0x117E4, 0x57A661
"""Numbers that make these random streams differ from all others with the same seed."""

JITTER_BLOCK = 256
STRAGGLE_BLOCK = 32


@dataclass(frozen=True)
class Change:
    """Concerns `workers` from second `from_s` until before second `to_s` of the run."""

    workers: Sequence[int]
    from_s: float = 0.0
    to_s: float = math.inf


@dataclass(frozen=True)
class LinkChange(Change):
    """Replaces the commit delay, the bandwidth or both; None leaves it unchanged."""

    delay_s: float | None = None
    bandwidth_mb_s: float | None = None


@dataclass(frozen=True)
class Death(Change):
    """The workers' processes die at `from_s`; in virtual time only."""


@dataclass(frozen=True)
class Stall(Change):
    """The workers' processes stop at `from_s`, as by a signal, and continue at `to_s`; in virtual
    time only."""


class SpeedChange(Change, ABC):
    """Multiplies the step times."""

    @abstractmethod
    def factor(self, worker: int, now: float, step: int) -> float:
        """The factor for a step that `worker` begins at `now` s; its first step is 0."""


@dataclass(frozen=True)
class Slowdown(SpeedChange):
    """Multiplies step times by a constant factor."""

    slowdown: float = 1.0

    def factor(self, worker: int, now: float, step: int) -> float:
        return self.slowdown


@dataclass(frozen=True)
class Drift(SpeedChange):
    """A factor that rises linearly from 1 at `from_s` to `drift_to` at `full_s`, then stays."""

    full_s: float = math.inf
    drift_to: float = 1.0

    def factor(self, worker: int, now: float, step: int) -> float:
        gone = min(1.0, (now - self.from_s) / (self.full_s - self.from_s))
        return 1.0 + gone * (self.drift_to - 1.0)


@dataclass(frozen=True)
class Jitter(SpeedChange):
    """A random factor exp(sigma * N(0, 1)) for each step: log-normal with median 1."""

    sigma: float = 0.0
    seed: int = 0
    number: int = 0  # of the change in its profile
    _drawn: dict[int, tuple[int, np.ndarray]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Each worker's last used block of factors, with its number."""

    def factor(self, worker: int, now: float, step: int) -> float:
        block, place = divmod(step, JITTER_BLOCK)
        drawn = self._drawn.get(worker)
        if drawn is None or drawn[0] != block:
            generator = np.random.default_rng([self.seed, worker, JITTER, self.number, block])
            drawn = block, np.exp(self.sigma * generator.standard_normal(JITTER_BLOCK))
            self._drawn[worker] = drawn
        return float(drawn[1][place])


@dataclass(frozen=True)
class Straggle(SpeedChange):
    """A factor at random times: for `for_s` each, after exponential gaps of mean `every_s`.

    The expected share of slow time is for_s / (every_s + for_s).
    """

    every_s: float = 1.0
    for_s: float = 1.0
    slowdown: float = 1.0
    seed: int = 0
    number: int = 0  # of the change in its profile
    _begins_s: dict[int, list[float]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The begins of each worker's slow times, as far as they are drawn."""

    def factor(self, worker: int, now: float, step: int) -> float:
        begins_s = self._begins_s.setdefault(worker, [])
        while not begins_s or begins_s[-1] <= now:
            self._draw_more(worker, begins_s)
        before = bisect_right(begins_s, now)
        straggles = before > 0 and now < begins_s[before - 1] + self.for_s
        return self.slowdown if straggles else 1.0

    def _draw_more(self, worker: int, begins_s: list[float]) -> None:
        block = len(begins_s) // STRAGGLE_BLOCK
        generator = np.random.default_rng([self.seed, worker, STRAGGLE, self.number, block])
        end_s = begins_s[-1] + self.for_s if begins_s else self.from_s
        for gap_s in generator.exponential(self.every_s, STRAGGLE_BLOCK).tolist():
            begins_s.append(end_s + gap_s)
            end_s = begins_s[-1] + self.for_s


@dataclass(frozen=True)
class Replay(SpeedChange):
    """Factors from recorded steps, one array [steps] per worker, repeated from the start."""

    factors: Sequence[np.ndarray] = ()

    def factor(self, worker: int, now: float, step: int) -> float:
        recorded = self.factors[worker]
        return float(recorded[step % len(recorded)])
