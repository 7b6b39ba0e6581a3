"""The online searches for the commit rate: Algorithm 1 of the ADSP paper, and a better one."""

import math
from typing import TYPE_CHECKING, Callable, Generator

from adsp_mpi.core.actions import Observed, SchedulerAction, Tell
from adsp_mpi.core.models.reward import fit_loss_curve, reward

if TYPE_CHECKING:
    from adsp_mpi.core.models.adsp import Adsp

Found = tuple[float, int, Observed]
Search = Generator[SchedulerAction, Observed, Found]

FRACTION_OF_LOSS = 0.1
"""Without a target loss, rates are judged by the time to this fraction of the loss at the start."""


def climb_by_one(model: "Adsp", seen: Observed, target_loss: float, last_rate: int) -> Search:
    """Climb from one commit per check period while the reward rises.

    Returns (C_target reached, rate found, last observation).

    Source: AAAI 2020, Algorithm 1 (DecideCommitRate). C_target starts at the largest commit
    count, and evaluate(rate) raises it by `rate` for one check period; so a worker that is
    behind has more commits due, and rate k always means k commits per period.
    """
    target = seen.max_commits
    goal_loss = target_loss or FRACTION_OF_LOSS * seen.last_loss

    def evaluate(rate: int) -> Generator[SchedulerAction, Observed, float]:
        nonlocal target, seen
        target += rate
        seen = yield model.period(target, rate, "search")
        fit = fit_loss_curve(seen.losses)
        rewarded = reward(fit, goal_loss)
        yield Tell(
            "search",
            {
                "commit_rate": rate,
                "reward": rewarded,
                "a1_squared": fit.a1_squared,
                "a2": fit.a2,
                "a3": fit.a3,
            },
        )
        return rewarded

    rate = 1
    best = yield from evaluate(rate)
    while rate < model.max_commit_rate:
        next_reward = yield from evaluate(rate + 1)
        if not next_reward > best:
            break
        rate, best = rate + 1, next_reward
    return target, rate, seen


MAX_FIRST_RATE = 3
"""Commits per check period beyond which more of them hardly spare steps (analysis: commit_rate)."""

AFFORDABLE_SHARE = 0.2
"""Of a worker's time, for commits."""

MARGIN = 1.1
"""By this factor the loss must fall faster at another rate for it to be taken."""

SMALLEST_FALL = 0.02
"""A period in which the loss falls by a smaller share says nothing about its rate."""


def interleave(model: "Adsp", seen: Observed, target_loss: float, last_rate: int) -> Search:
    """Try other rates between two periods at the present one; start at one that costs little.

    The paper's climb starts at one commit a period, compares periods that lie further and
    further down the loss curve, and judges them by a fixed target. Here the first rate follows
    from what a commit was seen to cost: up to `MAX_FIRST_RATE`, as long as commits take at most
    `AFFORDABLE_SHARE` of the workers' time. Then the doubled rate runs between two periods at
    the present one, and is taken if the logarithm of the loss fell `MARGIN` times as fast as in
    their geometric mean, so that the bend of the curve cancels; not if commits take so long that
    some worker could not keep up. Where commits cost time the halved rate is tried too.

    Returns (C_target reached, rate found, last observation).
    """
    target = seen.max_commits

    def run(rate: int) -> Generator[SchedulerAction, Observed, float]:
        nonlocal target, seen
        target += rate
        seen = yield model.period(target, rate, "search")
        fall = fall_of_loss(seen)
        cost = commit_share(seen)
        yield Tell("search", {"commit_rate": rate, "fall": fall, "commit_share": cost})
        return fall

    rate = last_rate or (1 if model.blocking_commits else 2)
    fall = yield from run(rate)
    if not last_rate:
        if not seen.max_commits:
            fall = yield from run(rate)
        first_rate = affordable_rate(seen, model.check_period_s, model.max_commit_rate)
        if first_rate != rate:
            rate = first_rate
            fall = yield from run(rate)
    for factor in (2.0, 0.5):
        while (other := int(rate * factor)) and other <= model.max_commit_rate:
            worth_it = fall >= SMALLEST_FALL and (factor > 1 or commit_share(seen) > 0.05)
            if not worth_it:
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
    """Every present worker has done its commits, but for one that may still be in flight."""
    return bool((seen.commits[seen.present] >= target - 1).all())


def fall_of_loss(seen: Observed) -> float:
    """How far the logarithm of the loss fell over the evaluations; 0 where that is unknown."""
    values = [loss for _, loss in seen.losses]
    if len(values) < 2 or not all(math.isfinite(loss) and loss > 0 for loss in values):
        return 0.0
    return math.log(values[0] / values[-1])


def commit_share(seen: Observed) -> float:
    """Share of the present workers' time so far that commits took, 0 to 1."""
    training_s = float(seen.training_s[seen.present].sum())
    commit_s = float(seen.commit_s[seen.present].sum())
    return commit_s / (training_s + commit_s) if commit_s else 0.0


def affordable_rate(seen: Observed, check_period_s: float, max_rate: int) -> int:
    """The largest rate up to `MAX_FIRST_RATE` whose commits take `AFFORDABLE_SHARE` at most."""
    commits = float(seen.commits[seen.present].sum())
    overhead_s = float(seen.commit_s[seen.present].sum()) / commits if commits else 0.0
    affordable = AFFORDABLE_SHARE * check_period_s / overhead_s if overhead_s else math.inf
    return int(max(1, min(affordable, MAX_FIRST_RATE, max_rate)))


SEARCHES: dict[str, Callable[["Adsp", Observed, float, int], Search]] = {
    "paper": climb_by_one,
    "interleaved": interleave,
}
