"""ADSP: workers never wait, and an online search finds the rate at which they commit."""

import math
from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import (
    TRIAL,
    Observed,
    Restore,
    SchedulerGenerator,
    Setup,
    Snapshot,
    Tell,
)
from adsp_mpi.core.models.commit_rate_search import SEARCHES
from adsp_mpi.core.models.timed import TimedCommits
from adsp_mpi.options import option


@dataclass(frozen=True)
class Adsp(TimedCommits):
    """Adaptive synchronous parallel training: an online search sets the commit rate.

    Source: AAAI 2020 (arXiv 1911.06949), Algorithm 1. Every epoch begins with a search, and the
    rate it finds holds until the epoch ends. `search = "paper"` is the paper's search. As in the
    authors' program, a jump of the loss between two checks starts a new search at once.
    """

    name: ClassVar[str] = "adsp"

    min_commit_interval_s: float = option(
        0.0,
        "shortest time between two commits; 0: check_period_s / 6, as in the authors' program",
        low=0,
    )
    epoch_s: float = option(1200.0, "E, seconds between two searches for the commit rate")
    loss_jump: float = option(
        0.3, "relative rise of the loss between two checks that starts a new search", above=0
    )
    search: str = option(
        "interleaved",
        "paper: Algorithm 1, one commit a period more while the reward rises; interleaved: from "
        "a rate that costs little, its double and half tried between periods at the present rate",
        choices=tuple(SEARCHES),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.epoch_s >= self.check_period_s, "epoch_s must be at least check_period_s")

    @property
    def commit_interval_floor_s(self) -> float:
        return self.min_commit_interval_s or self.check_period_s / 6

    @property
    def max_commit_rate(self) -> int:
        """The most commits per check period that `commit_interval_floor_s` allows; at least 1."""
        return max(1, int(self.check_period_s / self.commit_interval_floor_s + 1e-9))

    def scheduler(self, seen: Observed, setup: Setup) -> SchedulerGenerator:
        rate = 0
        while True:
            epoch_end = seen.now + self.epoch_s
            found = SEARCHES[self.search](self, seen, setup.target_loss, rate)
            target, rate, seen = yield from found
            while seen.now + self.check_period_s <= epoch_end:
                target += rate
                before = seen
                seen = yield self.period(target, rate)
                if seen.last_loss > (1 + self.loss_jump) * before.last_loss:
                    break


@dataclass(frozen=True)
class AdspFixed(TimedCommits):
    """ADSP with a given commit rate instead of a search."""

    name: ClassVar[str] = "adsp-fixed"

    commit_rate: int = option(1, "dC, commits of every worker per check period", low=1)

    def scheduler(self, seen: Observed, setup: Setup) -> SchedulerGenerator:
        target = seen.max_commits
        while True:
            target += self.commit_rate
            seen = yield self.period(target, self.commit_rate)


@dataclass(frozen=True)
class AdspPlus(TimedCommits):
    """ADSP+: each of some commit rates is tried from the same snapshot, and the best is kept.

    Source: AAAI 2020, where ADSP+ is the offline search that the online search is compared with.
    The trials are part of the run; the trace marks them, and the report gives their time apart.
    """

    name: ClassVar[str] = "adsp-plus"

    trial_rates: tuple[int, ...] = option(
        (1, 2, 4, 6), "rates to try, in commits per check period", low=1
    )
    trial_periods: int = option(
        3, "check periods for each rate; the one with the smallest loss at the end is kept", low=1
    )

    def scheduler(self, seen: Observed, setup: Setup) -> SchedulerGenerator:
        target = seen.max_commits
        losses: dict[int, float] = {}
        yield Snapshot()
        for rate in self.trial_rates:
            yield Restore()
            for _ in range(self.trial_periods):
                target += rate
                seen = yield self.period(target, rate, TRIAL)
            losses[rate] = seen.last_loss if math.isfinite(seen.last_loss) else math.inf
            yield Tell("trials", {"commit_rate": rate, "loss": seen.last_loss})
        yield Restore()
        rate = min(losses, key=lambda r: (losses[r], r))
        target = seen.max_commits
        while True:
            target += rate
            seen = yield self.period(target, rate)
