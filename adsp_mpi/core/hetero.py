"""Heterogeneity: which speed, commit delay and bandwidth worker i has at time t.

A profile names a speed per worker, relative to the fastest (`slowdown`) or as a step time.
Profiles: `none`, `ratio:H`, `paper`, `paper:H`, or a TOML file (see `read_profile`).
"""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

PAPER_H = 1.45
PAPER_CPUS = np.repeat([2, 4, 8], [7, 5 + 2, 4])
"""Virtual CPUs of the paper's 18 workers: 7 t2.large, 5 t2.xlarge and 2 t3.xlarge, 4 t2.2xlarge."""

FILE_LISTS = ("step_time_s", "slowdown", "delay_s", "bandwidth_mb_s")


@dataclass(frozen=True)
class Conditions:
    """What is injected into one worker. 0 means: nothing, the real machine."""

    step_time_s: float = 0.0
    slowdown: float = 1.0
    delay_s: float = 0.0
    bandwidth_mb_s: float = 0.0

    def commit_delay_s(self, megabytes: float) -> float:
        """Seconds that a commit of this size is held back."""
        transfer = megabytes / self.bandwidth_mb_s if self.bandwidth_mb_s else 0.0
        return self.delay_s + transfer


@dataclass(frozen=True)
class Profile:
    """The conditions of every worker; `injects_speed` says whether step times are held."""

    workers: tuple[Conditions, ...]
    injects_speed: bool

    def at(self, worker: int, now: float) -> Conditions:
        """The conditions of `worker` at `now` seconds since the start."""
        return self.workers[worker]


def make_profile(spec: str, num_workers: int, fastest_step_time_s: float) -> Profile:
    """The profile that `spec` names; ValueError says what is wrong with it.

    `fastest_step_time_s` is the step time that relative speeds refer to; a worker with
    slowdown k gets k times as much.
    """
    name, _, argument = spec.partition(":")
    if name == "none" and not argument:
        return Profile((Conditions(),) * num_workers, injects_speed=False)
    if name == "ratio":
        speeds = geometric_speeds(num_workers, _parse_h(spec, argument))
    elif name == "paper":
        speeds = paper_speeds(num_workers, _parse_h(spec, argument) if argument else PAPER_H)
    elif spec.endswith(".toml"):
        return read_profile(Path(spec), num_workers, fastest_step_time_s)
    else:
        raise ValueError(
            f"unknown heterogeneity profile {spec!r}; there are: none, ratio:H, paper, paper:H, "
            "or a file FILE.toml"
        )
    slowdowns = speeds.max() / speeds
    return Profile(
        tuple(Conditions(s * fastest_step_time_s, s) for s in slowdowns), injects_speed=True
    )


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

    float64[M]; one worker alone has H = 1, whatever is asked for.
    """
    return _speeds_with(h, num_workers, lambda p: np.exp(p * np.arange(num_workers)))


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
        if high > 64:
            raise ValueError(f"H = {h:g} is out of reach with {num_workers} workers")
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if ratio(middle) < h else (low, middle)
    return speeds_at(high)


def read_profile(path: Path, num_workers: int, fastest_step_time_s: float) -> Profile:
    """A profile from TOML: lists of one number per worker, each list optional.

    `step_time_s` (seconds) or `slowdown` (relative to the fastest worker, at least 1),
    `delay_s` (added to every commit), `bandwidth_mb_s` (MB/s of the worker's link).
    """
    try:
        data = tomllib.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"profile {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"profile {path}: not TOML: {error}") from error
    for key in data:
        if key not in FILE_LISTS:
            raise ValueError(f"profile {path}: unknown key {key!r}; known: {', '.join(FILE_LISTS)}")
    if "step_time_s" in data and "slowdown" in data:
        raise ValueError(f"profile {path}: give step_time_s or slowdown, not both")
    lists = {key: _checked_list(path, key, values, num_workers) for key, values in data.items()}
    if "slowdown" in lists:
        lists["step_time_s"] = [s * fastest_step_time_s for s in lists["slowdown"]]
    workers = tuple(
        Conditions(**{key: values[i] for key, values in lists.items()}) for i in range(num_workers)
    )
    return Profile(workers, injects_speed="step_time_s" in lists)


def _checked_list(path: Path, key: str, values: object, num_workers: int) -> list[float]:
    if not isinstance(values, list) or len(values) != num_workers:
        raise ValueError(f"profile {path}: {key} must be a list of {num_workers} numbers")
    smallest = 1.0 if key == "slowdown" else 0.0
    for i, value in enumerate(values):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not smallest <= value < math.inf:
            raise ValueError(
                f"profile {path}: {key}[{i}] = {value!r}: a number of at least {smallest:g}"
            )
    return [float(value) for value in values]
