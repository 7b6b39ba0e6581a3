"""Quantities that the literature defines for a run: heterogeneity and implicit momentum."""

import numpy as np


def heterogeneity(speeds: np.ndarray) -> float:
    """H, the mean speed over the smallest speed: 1 for equal workers. `speeds` are float[M].

    Source: AAAI 2020, section 5.1; in steps per second. Raises ValueError for a speed not above 0.
    """
    speeds = np.asarray(speeds, dtype=float)
    if not speeds.size or not (speeds > 0).all():
        raise ValueError(f"speeds must all be above 0: {speeds}")
    return float(speeds.mean() / speeds.min())


def implicit_momentum(commits_due: np.ndarray, steps_per_period: np.ndarray) -> float:
    """The momentum mu that asynchrony amounts to, from commits and steps per check period.

    mu = 1 - p with p = 1 / (1 + (1 - 1/M) sum_i 1 / (dC_i v_i)), where `commits_due` holds the
    dC_i, commits of worker i per check period, and `steps_per_period` the v_i, its steps in one;
    both are float[M] and above 0. Source: AAAI 2020, Theorem 1, after Mitliagkas et al. 2016.
    """
    due, speed = np.asarray(commits_due, float), np.asarray(steps_per_period, float)
    if not due.size or due.shape != speed.shape or not ((due > 0) & (speed > 0)).all():
        raise ValueError(f"commits due and speeds must all be above 0: {due}, {speed}")
    return float(1 - 1 / (1 + (1 - 1 / due.size) * (1 / (due * speed)).sum()))


def momentum_of_lag(mean_lag: float) -> float:
    """The momentum mu that asynchrony amounts to, from the mean lag of commits.

    mu = 1 - 1 / (1 + E[lag]). A commit's lag (staleness in the literature) is the number of other
    workers' commits between its base and itself. If it is geometrically distributed, P(l) =
    (1 - mu) mu^l, the expected update has momentum mu and the mean lag is mu / (1 - mu). M workers
    that commit equally often have a mean lag of M - 1, hence mu = 1 - 1/M. Source: Mitliagkas et
    al., "Asynchrony begets Momentum", 2016, arXiv 1605.09774. The lag of ADSP's timed commits
    varies less than a geometric one: for them mu is an estimate.
    """
    if not mean_lag >= 0:
        raise ValueError(f"mean lag must be at least 0: {mean_lag}")
    return 1 - 1 / (1 + mean_lag)
