"""The online search for the commit rate: Algorithm 1 of the ADSP paper."""

from typing import TYPE_CHECKING, Generator

from adsp_mpi.core.actions import Observed, SchedulerAction, Tell
from adsp_mpi.core.reward import fit_loss_curve, reward

if TYPE_CHECKING:
    from adsp_mpi.core.models.adsp import Adsp

Found = tuple[float, int, Observed]

FRACTION_OF_LOSS = 0.1
"""Without a target loss, rates are judged by the time to this fraction of the loss at the start."""


def search_commit_rate(
    model: "Adsp", seen: Observed, target_loss: float
) -> Generator[SchedulerAction, Observed, Found]:
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
