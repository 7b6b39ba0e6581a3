"""Finds every scheme's best hyper-parameters on one stated grid, by a race."""

from dataclasses import dataclass
from math import inf
from statistics import median
from typing import Any, Sequence

from adsp_mpi.analysis.experiments.outcome import Outcome
from adsp_mpi.analysis.experiments.runner import Plan
from adsp_mpi.analysis.experiments.setting import Values
from adsp_mpi.config import Config
from adsp_mpi.core.stop import HELD

LEARNING_RATES = (
    (0.4, 1), (0.4, 2), (0.4, 4), (0.8, 1), (0.8, 2), (0.8, 4), (0.2, 4), (0.2, 2), (0.2, 1),
    (0.1, 4), (0.1, 2), (0.1, 1),
)  # fmt: skip
"""(eta', eta M) in the order of the race. Large rates that are stable for most schemes come first:
their short times limit the length of the runs after them."""

THIRD = {
    "adsp-fixed": ("commit_rate", (1, 2, 4)),
    "fixed-adacomm": ("local_steps", (20, 40, 10)),
    "batchtune-fixed-adacomm": ("local_steps", (20, 40, 10)),
    "ssp": ("staleness", (40, 10)),
    "asp": ("local_steps", (8, 1)),
}
"""The third parameter of the schemes that have one, in the order of the race."""

FINALISTS = 3
"""This many choices are run with all seeds; a single seed would favour the luckiest."""

SYMBOLS = {"commit_rate": "dC", "local_steps": "tau", "staleness": "s"}


@dataclass(frozen=True)
class Choice:
    """A point on the grid."""

    local_lr: float
    global_factor: int  # eta M
    third: tuple[str, int] | None = None

    def apply(self, config: Config, seed: int, max_seconds: float) -> Config:
        factor, workers = self.global_factor, config.simulate.workers
        sync: dict[str, Any] = {"global_lr": factor / workers if factor != 1 else 0.0}
        if self.third:
            sync[self.third[0]] = self.third[1]
        values: Values = {
            "run": {"seed": seed},
            "train": {"local_lr": self.local_lr},
            "sync": sync,
            "stop": {"max_seconds": max_seconds},
        }
        return config.with_values(values, "race")

    def __str__(self) -> str:
        third = f", {SYMBOLS[self.third[0]]} {self.third[1]}" if self.third else ""
        return f"eta' {self.local_lr:g}, eta {self.global_factor}/M{third}"


@dataclass(frozen=True)
class Race:
    """The result of a race; without a choice if nothing on the grid reached the target."""

    choice: Choice | None
    outcomes: list[Outcome]  # of the choice, one per seed


def choices(config: Config) -> list[Choice]:
    """The grid for the scheme of `config`, in the order of the race.

    The configuration's own values come first: they are run anyway, and known to be stable.
    """
    name, values = THIRD.get(config.sync.model, ("", ()))
    thirds: Sequence[tuple[str, int] | None] = [(name, value) for value in values] or [None]
    grid = [Choice(*rates, third) for rates in LEARNING_RATES for third in thirds]
    seed, limit_s, own = config.run.seed, config.stop.max_seconds, config.to_toml()
    return sorted(grid, key=lambda choice: choice.apply(config, seed, limit_s).to_toml() != own)


def race(config: Config, seeds: Sequence[int]) -> Plan[Race]:
    """Run the grid with the first seed, then the finalists with all seeds; the best median wins.

    A run ends ten evaluations after the `FINALISTS`-th best time so far: if it has not reached
    the target by then, it is not a finalist.
    """
    full_s = limit_s = config.stop.max_seconds
    best: list[tuple[float, Choice, Outcome]] = []
    for choice in choices(config):
        [outcome] = yield [choice.apply(config, seeds[0], limit_s)]
        if outcome.time_to_target_s is None:
            continue
        best.append((outcome.time_to_target_s, choice, outcome))
        best = sorted(best, key=lambda entry: entry[0])[:FINALISTS]
        if len(best) == FINALISTS:
            limit_s = best[-1][0] + HELD * config.eval.period_s
    races = []
    for _, choice, first in best:
        others = yield [choice.apply(config, seed, full_s) for seed in seeds[1:]]
        races.append(Race(choice, [first, *others]))
    return min(races, key=_median_s, default=Race(None, []))


def _median_s(race: Race) -> float:
    return median(inf if o.time_to_target_s is None else o.time_to_target_s for o in race.outcomes)
