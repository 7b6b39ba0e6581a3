import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.models.reward import LossCurve, fit_loss_curve, reward

curves = st.builds(
    LossCurve,
    a1_squared=st.floats(1e-3, 1.0),
    a2=st.floats(0.2, 5.0),
    a3=st.floats(0.0, 2.0),
)


def points(curve: LossCurve, seconds: float, count: int) -> list[tuple[float, float]]:
    times = [seconds * k / (count - 1) for k in range(count)]
    return [(t, float(curve.loss_at(t))) for t in times]


@given(curves, st.integers(3, 12))
def test_fit_goes_through_points_of_a_curve(curve: LossCurve, count: int) -> None:
    seen = points(curve, 60.0, count)
    fit = fit_loss_curve([(1000.0 + t, loss) for t, loss in seen])
    span = seen[0][1] - seen[-1][1]
    for t, loss in seen:
        assert fit.loss_at(t) == pytest.approx(loss, abs=1e-3 * span + 1e-9)


def test_reward_by_hand() -> None:
    """l(t) = 1 / (0.05 t + 0.5) + 0.3 is 0.4 at t = (10 - 0.5) / 0.05 = 190 s."""
    assert reward(LossCurve(0.05, 0.5, 0.3), 0.4) == pytest.approx(1 / 190)


@given(curves, st.floats(0.1, 0.9))
def test_reward_is_one_over_the_time_to_the_target(curve: LossCurve, share: float) -> None:
    target = curve.a3 + share * (float(curve.loss_at(0.0)) - curve.a3)
    seconds = 1 / reward(curve, target)
    assert curve.loss_at(seconds) == pytest.approx(target, rel=1e-6)


@pytest.mark.parametrize(
    ("losses", "target", "expected"),
    [
        ([(0, 1.0), (30, 1.0), (60, 1.0)], 0.5, 0.0),
        ([(0, 1.0), (30, 1.5), (60, 2.0)], 0.5, 0.0),
        ([(0, 1.0), (30, math.nan), (60, 0.5)], 0.1, 0.0),
        ([(0, 1.0), (30, math.inf), (60, 0.5)], 0.1, 0.0),
        ([], 0.5, 0.0),
        ([(0, 2.0)], 0.5, 0.0),
        ([(0, 0.4), (30, 0.3), (60, 0.2)], 0.5, math.inf),
    ],
    ids=["flat", "rising", "nan", "inf", "none", "one", "reached"],
)
def test_degenerate_fits_have_defined_rewards(losses, target, expected) -> None:
    assert reward(fit_loss_curve(losses), target) == expected


def test_a_target_under_the_asymptote_is_worth_nothing() -> None:
    assert reward(LossCurve(0.1, 1.0, 0.3), 0.3) == 0.0
    assert reward(LossCurve(0.1, 1.0, 0.3), 0.2) == 0.0


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(allow_nan=True, width=32)), max_size=8),
    st.floats(0, 10),
)
def test_never_an_exception_never_nan(losses, target: float) -> None:
    assert not math.isnan(reward(fit_loss_curve(sorted(losses, key=lambda p: p[0])), target))
