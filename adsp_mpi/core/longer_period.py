"""How commits go on after the end of a check period while the model is still being judged."""

import math
from dataclasses import dataclass, replace

from adsp_mpi.core.actions import Targets

LATE_SHARE = 0.25
"""The target is raised this share of the time between two commits after the end of a period."""

LEAST_LATE_S = 2.0
"""An evaluation that is over within this time after the end of a period leaves the target alone."""


@dataclass
class LongerPeriod:
    """Raises the commit target at the present rate, period by period, until the next `Run`.

    `raised` is by how much the targets of all Runs before were raised, `times` how often the
    present one was. A scheduler does not know of it: its targets lie lower by `raised`.
    """

    raised: float = 0.0
    times: int = 0

    def raise_s(self, run_end_s: float, targets: Targets) -> float:
        """When to raise the target next: soon after the end of the period that it is for."""
        rate, period_s = targets.commit_rate, targets.check_period_s
        if rate <= 0 or period_s <= 0:
            return math.inf
        late_s = max(LEAST_LATE_S, LATE_SHARE * period_s / rate)
        return run_end_s + self.times * period_s + late_s

    def next(self, run_end_s: float, targets: Targets) -> Targets:
        """The targets of one more period at the present rate."""
        since_s = run_end_s + self.times * targets.check_period_s
        self.times += 1
        target = targets.commit_target + targets.commit_rate
        return replace(targets, commit_target=target, since_s=since_s)

    def raised_until(self, now: float, run_end_s: float, targets: Targets) -> float:
        """By how much the target was raised so far, counting what was due by `now`, rounded."""
        if not self.times:
            return self.raised
        periods = min(self.times, (now - run_end_s) / targets.check_period_s)
        return self.raised + round(periods * targets.commit_rate)
