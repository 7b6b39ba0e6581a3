"""The interleaved search on a plant whose losses and commit costs are known."""

import math
from dataclasses import dataclass
from typing import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsp_mpi.core.actions import Observed, Run
from adsp_mpi.core.models.adsp import Adsp
from adsp_mpi.core.models.commit_rate_search import MARGIN, interleave

PERIOD_S = 60.0


@dataclass
class Plant:
    """A loss that falls by the factor exp(-fall(rate) * bend ** period) in a check period."""

    fall: Callable[[int], float]
    commit_s: float = 0.0  # that a commit keeps its worker from training
    bend: float = 1.0
    most_a_period: float = math.inf  # commits that a worker can do
    now: float = 0.0
    loss: float = 2.0
    commits: float = 0.0

    def observe(self, before: float) -> Observed:
        blocked_s = np.full(2, self.commits * self.commit_s)
        zeros = np.zeros(2)
        losses = ((self.now - PERIOD_S, before), (self.now, self.loss))
        trained_s = np.full(2, self.now) - blocked_s
        commits = np.full(2, self.commits)
        return Observed(
            self.now, losses, zeros, commits, zeros, trained_s, blocked_s, np.full(2, True)
        )

    def answer(self, run: Run) -> Observed:
        rate, before = int(run.targets.commit_rate), self.loss
        period = self.now / PERIOD_S
        self.now += PERIOD_S
        self.loss *= math.exp(-self.fall(rate) * self.bend**period)
        due = run.targets.commit_target - self.commits
        self.commits += min(due, self.most_a_period)
        return self.observe(before)


def search(plant: Plant, last_rate: int = 0, blocking: bool = False) -> tuple[int, list[int]]:
    """The rate found, and the rates of all periods in order."""
    model = Adsp(
        check_period_s=PERIOD_S, blocking_commits=blocking, min_commit_interval_s=PERIOD_S / 12
    )
    seen = plant.observe(plant.loss)
    steps = interleave(model, seen, 0.0, last_rate)
    action, rates = next(steps), []
    while True:
        if isinstance(action, Run):
            rates.append(int(action.targets.commit_rate))
            seen = plant.answer(action)
        try:
            action = steps.send(seen)
        except StopIteration as end:
            target, rate, _ = end.value
            assert target == pytest.approx(sum(rates))
            return rate, rates


def test_where_commits_are_free_and_rates_alike_it_starts_at_three_and_stays() -> None:
    assert search(Plant(lambda rate: 0.3)) == (3, [2, 3, 6, 3])


def test_a_rate_twice_as_good_is_taken_and_the_next_doubling_tried() -> None:
    rate, rates = search(Plant(lambda rate: 0.6 if rate >= 6 else 0.3))
    assert (rate, rates) == (6, [2, 3, 6, 3, 6, 12, 6])


def test_what_a_commit_costs_bounds_the_first_rate() -> None:
    """14 of 60 s: only one commit is affordable; 5 of 60 s: two, a fifth of the time at most."""
    rate, rates = search(Plant(lambda rate: 0.3 * (1 - rate * 14 / 60), 14.0), blocking=True)
    assert (rate, rates) == (1, [1, 2, 1])
    rate, rates = search(Plant(lambda rate: 0.3, 5.0), blocking=True)
    assert rates[:2] == [1, 2]


def test_where_commits_cost_time_the_halved_rate_is_tried_too() -> None:
    plant = Plant(lambda rate: 0.3 / rate, commit_s=6.0)
    assert search(plant, last_rate=4) == (1, [4, 8, 4, 2, 4, 2, 1, 2, 1])


def test_a_rate_that_workers_cannot_keep_up_with_is_not_taken() -> None:
    plant = Plant(lambda rate: 0.1 * rate, most_a_period=3)
    assert search(plant)[0] == 3


def test_a_loss_that_hardly_falls_ends_the_search() -> None:
    assert search(Plant(lambda rate: 0.001 * rate)) == (3, [2, 3])


@pytest.mark.parametrize("loss", [math.nan, 0.0, -1.0])
def test_losses_without_a_logarithm_end_the_search(loss: float) -> None:
    plant = Plant(lambda rate: 0.3, loss=loss)
    assert search(plant)[0] == 3


@settings(max_examples=1000)
@given(
    falls=st.lists(st.floats(0.1, 0.5), min_size=13, max_size=13),
    bend=st.floats(0.85, 1.1),
)
def test_a_bent_curve_does_not_hide_which_rate_is_better(falls: list[float], bend: float) -> None:
    """Each move goes to a rate that is better by the margin, each stay to none that is."""
    plant = Plant(lambda rate: falls[rate], bend=bend)
    found, rates = search(plant)
    tried = rates[2:]
    rate = 3
    for other in tried[::3]:
        better = falls[other] / (falls[rate] * MARGIN)
        if not 0.999 < better < 1.001:
            assert (better > 1) == (found != rate)
        if found == rate:
            break
        rate = other
