"""The limits of a panel's axes, and the labels for which they have room."""

from typing import Iterator, Sequence

import numpy as np

from adsp_mpi.analysis.series.panel import AtTop, Axis, Boxes, Line, Moments, Panel

ROOM = 0.05
"""The free space at each end of an axis, as a share of the shown range."""

ROOM_FOR_TEXT = 0.15
FLAT = 1e-6
"""Values whose relative difference is less than this are drawn as equal."""


def x_limits(panel: Panel) -> tuple[float, float]:
    """The ends of the horizontal axis."""
    axis = panel.xs[0]
    if axis.span:
        return axis.span
    low, high = _extent(axis, _x_values(panel))
    return low, (high if high > low else low + 1)


def y_limits(panel: Panel) -> tuple[float, float]:
    """The ends of the vertical axis, which is linear or logarithmic."""
    axis = panel.ys[0]
    if axis.span:
        return axis.span
    low, high = _extent(axis, _y_values(panel))
    if axis.log:
        return low / 1.1, high * 1.1
    has_text = any(isinstance(mark, Line) and mark.texts for mark in panel.marks)
    differ = high - low if high - low > FLAT * abs(high) else 0.0
    room = (ROOM_FOR_TEXT if has_text else ROOM) * (differ or abs(high) or 1.0)
    return (low if low == 0 and 0 in axis.includes else low - room), high + room


def label_places(labels: Sequence[str], room: int) -> list[int]:
    """The places of the labels to write if there is room for `room`: all names, some numbers."""
    if len(labels) <= room or not all(label.isdecimal() for label in labels):
        return list(range(len(labels)))
    wanted = len(labels) / room
    step = next(s * 10**k for k in range(9) for s in (1, 2, 5) if s * 10**k >= wanted)
    return list(range(0, len(labels), step))


def _extent(axis: Axis, values: Iterator[np.ndarray]) -> tuple[float, float]:
    """The least and greatest finite value; on a logarithmic axis, of those above 0."""
    always = np.array([*axis.includes, *(level.value for level in axis.levels)], dtype=float)
    joined = np.concatenate([always, *(np.atleast_1d(v).astype(float) for v in values)])
    kept = joined[np.isfinite(joined) & ((joined > 0) | (not axis.log))]
    if not len(kept):
        return (0.1, 1.0) if axis.log else (0.0, 1.0)
    return float(kept.min()), float(kept.max())


def _x_values(panel: Panel) -> Iterator[np.ndarray]:
    for mark in panel.marks:
        if isinstance(mark, Boxes):
            yield from (mark.x0, mark.x1)
        else:
            yield mark.x


def _y_values(panel: Panel) -> Iterator[np.ndarray]:
    for mark in panel.marks:
        if isinstance(mark, Line):
            yield mark.y
        elif not isinstance(mark, AtTop | Moments):
            yield from (np.asarray(mark.low), np.asarray(mark.high))
