"""The reward of a commit rate: how soon a curve fitted to the losses reaches the target loss."""

import math
from dataclasses import dataclass
from typing import Sequence

import numpy as np

TINY = 1e-12


@dataclass(frozen=True)
class LossCurve:
    """The curve l(t) = 1 / (a1_squared t + a2) + a3, with t in seconds since the first loss.

    Source: AAAI 2020, the reward of the commit-rate search; its form follows from SGD's
    convergence rate O(1/t). With `a1_squared` = 0 the loss does not fall.
    """

    a1_squared: float
    a2: float
    a3: float

    def loss_at(self, t: float | np.ndarray) -> float | np.ndarray:
        """The loss at `t` seconds, of the same shape as `t`."""
        return 1.0 / (self.a1_squared * t + self.a2) + self.a3


NO_FALL = LossCurve(0.0, 1.0, 0.0)


def fit_loss_curve(losses: Sequence[tuple[float, float]]) -> LossCurve:
    """The least-squares fit to (seconds, loss) pairs, earliest first; three or more determine it.

    For a given asymptote a3 the curve is a line in 1 / (l - a3), so only a3 is searched for, within
    bounds. If there is nothing to fit (fewer than two losses, one that is not finite, all at one
    time, or no fall from the first to the last), the result is a curve with a1_squared = 0.
    """
    times = np.array([t for t, _ in losses], dtype=float)
    values = np.array([value for _, value in losses], dtype=float)
    if len(times) < 2 or not np.isfinite(values).all() or values[-1] >= values[0]:
        return NO_FALL
    seconds = float(np.ptp(times))
    scale = max(float(values.min()), float(np.ptp(values)))
    if seconds < TINY or scale < TINY:
        return NO_FALL
    unit = _fit_scaled((times - times[0]) / seconds, values / scale)
    return LossCurve(unit.a1_squared / (seconds * scale), unit.a2 / scale, unit.a3 * scale)


def _fit_scaled(times: np.ndarray, values: np.ndarray) -> LossCurve:
    """The fit for times and losses scaled to about 1; a3 is at least 0 if the losses are."""
    from scipy.optimize import minimize_scalar  # a third of a second that only rank 0 pays

    low, span = float(values.min()), float(np.ptp(values))

    def curve_at(log_gap: float) -> LossCurve:
        return _fit_above(low - math.exp(log_gap), times, values)

    def squared_error(log_gap: float) -> float:
        return float(((curve_at(log_gap).loss_at(times) - values) ** 2).sum())

    bounds = (math.log(max(1e-4 * span, TINY)), 1e-9)
    return curve_at(minimize_scalar(squared_error, bounds=bounds, method="bounded").x)


def _fit_above(a3: float, times: np.ndarray, values: np.ndarray) -> LossCurve:
    """The line 1 / (l - a3) = a1^2 t + a2, weighted so that its errors are errors of the loss."""
    gaps = values - a3
    slope, intercept = np.polyfit(times, 1.0 / gaps, 1, w=gaps**2)
    if slope <= 0 or intercept <= 0:
        return LossCurve(0.0, 1.0 / float(gaps.mean()), a3)
    return LossCurve(float(slope), float(intercept), a3)


def reward(curve: LossCurve, target_loss: float) -> float:
    """The reward of AAAI 2020, 1 / (seconds until the curve reaches `target_loss`); never NaN.

    r = a1^2 / (1 / (l* - a3) - a2). It is 0 if the loss does not fall or the target is at or below
    the asymptote, and infinite if the target is reached already.
    """
    if curve.loss_at(0.0) <= target_loss:
        return math.inf
    if curve.a1_squared <= 0 or target_loss <= curve.a3:
        return 0.0
    return curve.a1_squared / max(1.0 / (target_loss - curve.a3) - curve.a2, TINY)
