"""The commit-rate search on synthetic reward curves."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.actions import Observed, Run
from adsp_mpi.core.models.adsp import Adsp
from adsp_mpi.core.models.commit_rate_search import climb_by_one
from adsp_mpi.core.models.reward import LossCurve

MAX_RATE = 10
STEP = 1.3
"""The least ratio between the rewards of two adjacent rates, up to the peak and down again."""

NOISE = 0.1
"""The relative error of each evaluation, less than adjacent rewards differ."""


def evaluate(now: float, speed: float) -> Observed:
    """A check period of 60 s whose loss falls from 2; the reward grows with `speed`."""
    curve = LossCurve(speed, 0.5, 0.0)
    losses = tuple((now + t, float(curve.loss_at(t))) for t in np.linspace(0.0, 60.0, 9))
    zeros = np.zeros(2)
    return Observed(now + 60.0, losses, zeros, zeros, zeros, zeros, zeros, np.full(2, True))


@given(
    peak=st.integers(1, MAX_RATE),
    ratios=st.lists(st.floats(STEP, 1.5), min_size=MAX_RATE, max_size=MAX_RATE),
    seed=st.integers(0, 2**32 - 1),
)
def test_finds_the_peak_of_a_noisy_unimodal_curve_in_one_evaluation_more_than_the_peak(
    peak: int, ratios: list[float], seed: int
) -> None:
    """Or in as many as the peak, where that is the largest rate that the floor allows."""
    generator = np.random.default_rng(seed)
    distance = {rate: abs(rate - peak) for rate in range(1, MAX_RATE + 1)}
    speed = {rate: 0.2 / float(np.prod(ratios[:d])) for rate, d in distance.items()}
    model = Adsp(check_period_s=60.0, min_commit_interval_s=60.0 / MAX_RATE)
    first = evaluate(-60.0, 0.0)
    search = climb_by_one(model, first, target_loss=0.1, last_rate=0)
    evaluations, now, action = 0, 0.0, next(search)
    while True:
        seen = first
        if isinstance(action, Run):
            evaluations += 1
            off = 1 + generator.uniform(-NOISE, NOISE)
            seen = evaluate(now, off * speed[int(action.targets.commit_rate)])
            now = seen.now
        try:
            action = search.send(seen)
        except StopIteration as end:
            target, rate, _ = end.value
            break
    assert rate == peak
    assert evaluations == min(peak + 1, MAX_RATE)
    assert target == sum(range(1, evaluations + 1))
