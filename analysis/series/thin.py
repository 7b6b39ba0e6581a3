"""Makes columns of a trace small enough for a page: thins and rounds them for JSON."""

import math
from typing import Any, Sequence

import numpy as np

PLACES = 6000
"""The number of places for points in a plot, divided among its lines."""

MIN_PLACES, MAX_PLACES = 60, 800
"""The largest number of places for one line: one per column of pixels."""

DIGITS = 6


def places_for(lines: int) -> int:
    """The number of columns to which each of `lines` lines is thinned."""
    return min(max(PLACES // max(lines, 1), MIN_PLACES), MAX_PLACES)


def kept(x: np.ndarray, ys: Sequence[np.ndarray], places: int, middle: bool = False) -> np.ndarray:
    """The rows to draw: in each of `places` columns along `x` those with the least and greatest
    `ys`, so that no spike is lost.

    `middle` keeps the medians too, for points that no line joins. Values that are not finite are
    never kept.
    """
    if len(x) <= (2 + middle) * places:
        return np.arange(len(x))
    span = float(x.max() - x.min()) or 1.0
    column = np.minimum(((x - x.min()) / span * places).astype(int), places - 1)
    found = [np.array([0, len(x) - 1])]
    for y in ys:
        finite = np.flatnonzero(np.isfinite(y))
        ordered = finite[np.lexsort((y[finite], column[finite]))]
        changes = np.flatnonzero(np.diff(column[ordered])) + 1
        if len(ordered):
            least, greatest = np.append(0, changes), np.append(changes, len(ordered)) - 1
            found += [ordered[least], ordered[greatest]]
            found += [ordered[(least + greatest) // 2]] if middle else []
    return np.unique(np.concatenate(found))


def numbers(values: np.ndarray) -> list[Any]:
    """The values for JSON, with `DIGITS` significant digits; None for one that is not finite."""
    if values.dtype.kind in "iub":
        return values.tolist()
    values = values.astype(float)
    finite = np.isfinite(values)
    size = np.abs(np.where(finite & (values != 0), values, 1.0))
    scale = 10.0 ** (DIGITS - 1 - np.floor(np.log10(size)))
    rounded = np.round(np.where(finite, values, 0.0) * scale) / scale
    if finite.all():
        return rounded.tolist()
    return [value if known else None for value, known in zip(rounded.tolist(), finite, strict=True)]


def times(values: np.ndarray, end_s: float) -> list[float]:
    """The times for JSON, rounded to `DIGITS` digits of the run's length."""
    whole_digits = math.ceil(math.log10(end_s)) if end_s > 0 else 0
    return np.round(values, max(DIGITS - whole_digits, 0)).tolist()
