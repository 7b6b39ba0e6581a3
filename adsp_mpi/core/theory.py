"""Numbers that the literature defines on a run: heterogeneity, implicit momentum."""

import numpy as np


def heterogeneity(speeds: np.ndarray) -> float:
    """H = mean speed / smallest speed; 1 is homogeneous. `speeds` in steps per second, [M].

    Source: AAAI 2020, section 5.1. Raises ValueError for a speed that is not above 0.
    """
    speeds = np.asarray(speeds, dtype=float)
    if not speeds.size or not (speeds > 0).all():
        raise ValueError(f"speeds must all be above 0: {speeds}")
    return float(speeds.mean() / speeds.min())


def implicit_momentum(commits_due: np.ndarray, steps_per_period: np.ndarray) -> float:
    """mu = 1 - p, p = 1 / (1 + (1 - 1/M) sum_i 1 / (dC_i v_i)): asynchrony acts like momentum.

    `commits_due` is dC_i, commits of worker i per check period, and `steps_per_period` v_i, its
    steps in one; both [M], above 0. Source: AAAI 2020, Theorem 1, after Mitliagkas et al. 2016.
    """
    due, speed = np.asarray(commits_due, float), np.asarray(steps_per_period, float)
    if not due.size or due.shape != speed.shape or not ((due > 0) & (speed > 0)).all():
        raise ValueError(f"commits due and speeds must all be above 0: {due}, {speed}")
    return float(1 - 1 / (1 + (1 - 1 / due.size) * (1 / (due * speed)).sum()))


def momentum_of_staleness(mean_staleness: float) -> float:
    """mu = 1 - 1 / (1 + E[staleness]): the momentum of commits that are stale by so much.

    Staleness counts the others' commits between a commit's base and itself. Where it is
    geometric, P(l) = (1 - mu) mu^l, the expected update has momentum mu, and its mean is
    mu / (1 - mu). M workers that commit equally often see M - 1, hence mu = 1 - 1/M. Source:
    Mitliagkas et al., "Asynchrony begets Momentum", 2016, arXiv 1605.09774. Commits by the clock
    are less spread than geometric ones: for them it is an estimate.
    """
    if not mean_staleness >= 0:
        raise ValueError(f"mean staleness must be at least 0: {mean_staleness}")
    return 1 - 1 / (1 + mean_staleness)
