"""The online searches for the commit rate: Algorithm 1 of the ADSP paper, and a better one.

A search is a generator: it yields check periods to run and what to record, receives what was
observed, and returns (the commit target reached, the rate found, the last observation). The commit
target C_target starts at the largest commit count, and a period at a rate raises it by that rate;
so a worker that is behind has more commits due, and rate k always means k commits per period.
"""

import math
from typing import Callable, Generator, Protocol

from adsp_mpi.core.actions import Observed, Run, SchedulerAction, Tell
from adsp_mpi.core.models.reward import fit_loss_curve, reward

Found = tuple[float, int, Observed]
Search = Generator[SchedulerAction, Observed, Found]
Evaluation = Generator[SchedulerAction, Observed, float]

FRACTION_OF_LOSS = 0.1
"""Without a target loss, rates are judged by the time to this fraction of the loss at the start."""


class Searched(Protocol):
    """What a search needs to know of the scheme whose commit rate it looks for."""

    @property
    def check_period_s(self) -> float:
        """Gamma."""

    @property
    def blocking_commits(self) -> bool:
        """Whether a worker stands still while its commit is in flight."""

    @property
    def max_commit_rate(self) -> int:
        """The largest rate, in commits per check period; at least 1."""

    def period(self, target: float, rate: float, phase: str) -> Run:
        """One check period in which the commit target is `target`, `rate` above the last one."""


def climb_by_one(scheme: Searched, seen: Observed, target_loss: float, last_rate: int) -> Search:
    """Climb from one commit per check period while the reward rises; `last_rate` has no effect.

    Source: AAAI 2020, Algorithm 1 (DecideCommitRate). The last rate evaluated is one above the
    best one, unless that is the largest allowed.
    """
    target = seen.max_commits
    goal_loss = target_loss or FRACTION_OF_LOSS * seen.last_loss

    def evaluate(rate: int) -> Evaluation:
        nonlocal target, seen
        if rate > scheme.max_commit_rate:
            return -math.inf
        target += rate
        seen = yield scheme.period(target, rate, "search")
        fit = fit_loss_curve(seen.losses)
        r = reward(fit, goal_loss)
        curve = {"a1_squared": fit.a1_squared, "a2": fit.a2, "a3": fit.a3}
        yield Tell("search", {"commit_rate": rate, "reward": r, **curve})
        return r

    rate = 1
    r1 = yield from evaluate(rate)
    r2 = yield from evaluate(rate + 1)
    while r2 > r1:
        rate, r1 = rate + 1, r2
        r2 = yield from evaluate(rate + 1)
    return target, rate, seen


MAX_FIRST_RATE = 3
"""Commits per check period; more of them hardly save steps (analysis/results/commit_rate.md)."""

AFFORDABLE_SHARE = 0.2
"""The share of a worker's time that its commits may take at the first rate."""

MARGIN = 1.1
"""Another rate is taken only if the loss falls faster at it by this factor."""

SMALLEST_FALL = 0.02
"""A period in which the logarithm of the loss falls by less says nothing about its rate."""

CHEAP_SHARE = 0.05
"""While commits take no more than this share of the workers' time, no lower rate is tried."""


def interleave(scheme: Searched, seen: Observed, target_loss: float, last_rate: int) -> Search:
    """Try other rates between two periods at the present one; start at one that costs little.

    The paper's climb starts at one commit per period, compares periods that lie further and
    further down the loss curve, and judges them by a fixed target. Here the first rate follows
    from what a commit was seen to cost: up to `MAX_FIRST_RATE`, as long as commits take at most
    `AFFORDABLE_SHARE` of the workers' time; or it is `last_rate`, the last search's, if not 0.
    Then the doubled rate runs between two periods at the present one. It is taken if the logarithm
    of the loss fell `MARGIN` times as fast as in their geometric mean, so that the bend of the
    curve cancels, and if every worker could keep up. Where commits cost time, so is the halved one.
    """
    target = seen.max_commits

    def run(rate: int) -> Evaluation:
        nonlocal target, seen
        target += rate
        seen = yield scheme.period(target, rate, "search")
        fall = fall_of_loss(seen)
        cost = commit_share(seen)
        yield Tell("search", {"commit_rate": rate, "fall": fall, "commit_share": cost})
        return fall

    rate = last_rate or (1 if scheme.blocking_commits else 2)
    fall = yield from run(rate)
    if not last_rate:
        if not seen.max_commits:
            fall = yield from run(rate)
        first_rate = affordable_rate(seen, scheme.check_period_s, scheme.max_commit_rate)
        if first_rate != rate:
            rate = first_rate
            fall = yield from run(rate)
    for factor in (2.0, 0.5):
        while (other := int(rate * factor)) and other <= scheme.max_commit_rate:
            worth_a_trial = factor > 1 or commit_share(seen) > CHEAP_SHARE
            if fall < SMALLEST_FALL or not worth_a_trial:
                break
            tried = yield from run(other)
            kept_up = reached(seen, target)
            again = yield from run(rate)
            usual = math.sqrt(max(fall, 0.0) * max(again, 0.0))
            fall = again
            if not (kept_up and tried > MARGIN * usual):
                break
            rate = other
            fall = yield from run(rate)
    return target, rate, seen


def reached(seen: Observed, target: float) -> bool:
    """Whether every present worker is at most one commit, perhaps in flight, short of `target`."""
    return bool((seen.commits[seen.present] - seen.raised_commits >= target - 1).all())


def fall_of_loss(seen: Observed) -> float:
    """How far the natural logarithm of the loss fell over the evaluations; 0 if unknown."""
    values = [loss for _, loss in seen.losses]
    if len(values) < 2 or not all(math.isfinite(loss) and loss > 0 for loss in values):
        return 0.0
    return math.log(values[0] / values[-1])


def commit_share(seen: Observed) -> float:
    """The share of the present workers' time so far that commits took, 0 to 1."""
    training_s = float(seen.training_s[seen.present].sum())
    commit_s = float(seen.commit_s[seen.present].sum())
    return commit_s / (training_s + commit_s) if commit_s else 0.0


def affordable_rate(seen: Observed, check_period_s: float, max_rate: int) -> int:
    """The largest rate, up to `MAX_FIRST_RATE`, whose commits take at most `AFFORDABLE_SHARE`."""
    commits = float(seen.commits[seen.present].sum())
    overhead_s = float(seen.commit_s[seen.present].sum()) / commits if commits else 0.0
    affordable = AFFORDABLE_SHARE * check_period_s / overhead_s if overhead_s else math.inf
    return int(max(1, min(affordable, MAX_FIRST_RATE, max_rate)))


SEARCHES: dict[str, Callable[[Searched, Observed, float, int], Search]] = {
    "paper": climb_by_one,
    "interleaved": interleave,
}
