"""Heterogeneity profiles by name: a speed per worker, relative to the fastest.

Presets: `none`, `ratio:H`, `paper`, `paper:H`.
"""

import math
from typing import Callable

import numpy as np

from adsp_mpi.core.hetero.profile import Conditions, Profile

PRESETS = ("none", "ratio", "paper")
PAPER_H = 1.45
PAPER_CPUS = np.repeat([2, 4, 8], [7, 5 + 2, 4])
"""Virtual CPUs of the paper's 18 workers: 7 t2.large, 5 t2.xlarge and 2 t3.xlarge, 4 t2.2xlarge."""


def make_profile(spec: str, num_workers: int, fastest_step_time_s: float) -> Profile:
    """The preset that `spec` names; ValueError if there is none.

    Relative speeds refer to `fastest_step_time_s`: a worker with slowdown k gets k times as much.
    """
    name, _, argument = spec.partition(":")
    if name == "none" and not argument:
        return Profile((Conditions(),) * num_workers)
    if name == "ratio":
        speeds = geometric_speeds(num_workers, _parse_h(spec, argument))
    elif name == "paper":
        speeds = paper_speeds(num_workers, _parse_h(spec, argument) if argument else PAPER_H)
    else:
        raise ValueError(
            f"unknown heterogeneity profile {spec!r}; there are: none, ratio:H, paper, paper:H, "
            "a file FILE.toml, or a recorded run: its folder or FILE.h5"
        )
    slowdowns = speeds.max() / speeds
    step_times_s = (slowdowns * fastest_step_time_s).tolist()
    return Profile(tuple(map(Conditions, step_times_s)), relative=True)


def _parse_h(spec: str, argument: str) -> float:
    try:
        h = float(argument)
    except ValueError:
        h = math.nan
    if not 1 <= h < math.inf:
        raise ValueError(f"profile {spec!r}: H is a number of at least 1, as in {spec[:5]}:2.0")
    return h


def geometric_speeds(num_workers: int, h: float) -> np.ndarray:
    """Relative speeds, slowest first, each faster than the last by one factor; mean / min = h.

    float64[M]; a single worker always has H = 1.
    """
    return _speeds_with(h, num_workers, lambda p: np.exp(p * np.linspace(0, 1, num_workers)))


def paper_speeds(num_workers: int, h: float) -> np.ndarray:
    """Relative speeds in the mix of the paper's testbed, slowest first; mean / min = h.

    The paper gives the mix and H, not the speeds: here speed is a power of the number of
    virtual CPUs, and the power is the one that gives H. For M other than 18, M machines are
    drawn evenly from the 18 in order of size. float64[M].
    """
    chosen = PAPER_CPUS[(np.arange(num_workers) * len(PAPER_CPUS)) // num_workers]
    return _speeds_with(h, num_workers, lambda p: (chosen / 2.0) ** p)


def _speeds_with(
    h: float, num_workers: int, speeds_at: Callable[[float], np.ndarray]
) -> np.ndarray:
    """Find the power p at which speeds_at(p) has mean / min = h, by bisection."""

    if num_workers == 1:
        return np.ones(1)

    def ratio(power: float) -> float:
        return float(speeds_at(power).mean() / speeds_at(power).min())

    low, high = 0.0, 1.0
    while ratio(high) < h:
        high *= 2
        if high > 512:
            raise ValueError(f"H = {h:g} is out of reach with {num_workers} workers")
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if ratio(middle) < h else (low, middle)
    return speeds_at(high)
