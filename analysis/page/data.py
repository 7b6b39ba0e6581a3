"""A panel as the dictionary that the page's scripts read: thinned, rounded, without NaN."""

from functools import singledispatchmethod
from typing import Any, Mapping

import numpy as np

from adsp_mpi.analysis.series.limits import x_limits
from adsp_mpi.analysis.series.panel import (
    AnyPanel,
    AtTop,
    Axis,
    Bars,
    Boxes,
    Line,
    Mark,
    Moments,
    Numbers,
    OfRun,
    OfWorker,
    Paint,
    Panel,
    Sticks,
)
from adsp_mpi.analysis.series.thin import kept, numbers, places_for, times

Data = dict[str, Any]


def panel_data(title: str, panel: AnyPanel, run_numbers: Mapping[str, int]) -> Data:
    """The data of `panel`, of the figure `title`; `run_numbers`, from 1 on, choose colours."""
    title = f"{title}: {panel.title}" if panel.title else title
    if isinstance(panel, Bars):
        return bars_data(title, panel)
    marks = Marks(panel, run_numbers)
    return {
        "title": title,
        "xs": [_axis(axis) for axis in panel.xs],
        "ys": [_axis(axis) for axis in panel.ys],
        "marks": [marks.data(mark) for mark in panel.marks],
        "bands": [(span.from_s, span.to_s, span.name) for span in panel.spans],
        "note": " ".join(filter(None, [_sentence(panel.note), marks.thinned()])),
    }


def bars_data(title: str, bars: Bars) -> Data:
    names = [f"{bars.row_label} {row}".strip() for row in bars.rows]
    return {
        "title": title,
        "parts": bars.parts,
        "paints": bars.paints,
        "rows": [
            {"name": name, "title": detail, "shares": numbers(shares)}
            for name, detail, shares in zip(names, bars.details or names, bars.shares, strict=True)
        ],
        "note": " ".join(
            filter(None, [_sentence(bars.note), "Hide a part to see the others larger."])
        ),
    }


class Marks:
    """Converts the marks of one panel, which share the number of points that a plot may have."""

    def __init__(self, panel: Panel, run_numbers: Mapping[str, int]) -> None:
        self._panel = panel
        self._run_numbers = run_numbers
        self._places = places_for(sum(isinstance(mark, Line) for mark in panel.marks))
        self._end_x = max(map(abs, x_limits(panel)))
        self._all = self._shown = 0
        self._has_dots = False

    def thinned(self) -> str:
        """A sentence on how many points were left out; "" if none."""
        if self._shown == self._all:
            return ""
        which = (
            "the least, the median and the greatest"
            if self._has_dots
            else ("the least and the greatest")
        )
        return (
            f"Thinned to {self._shown:,} of {self._all:,} points: {which} of every column of "
            "pixels."
        )

    @singledispatchmethod
    def data(self, mark: Mark) -> Data:
        raise TypeError(f"no mark: {mark!r}")

    @data.register
    def _(self, mark: Line) -> Data:
        is_dots = mark.kind == "dots"
        shown = [mark.columns.get(axis.name, mark.y) for axis in self._panel.ys]
        rows = kept(mark.x, shown, self._places, middle=is_dots)
        self._all, self._shown = self._all + len(mark.x), self._shown + len(rows)
        self._has_dots |= is_dots
        columns = {name: numbers(values[rows]) for name, values in mark.columns.items()}
        columns[self._panel.ys[0].name] = numbers(mark.y[rows])
        columns[self._panel.xs[0].name] = times(mark.x[rows], self._end_x)
        texts = [mark.texts[row] for row in rows] if mark.texts else []
        return {
            **self._of(mark, mark.kind),
            "columns": columns,
            "dotted": mark.dotted,
            "texts": texts,
        }

    @data.register
    def _(self, mark: Boxes) -> Data:
        return {
            **self._of(mark, "boxes"),
            "x0": times(mark.x0, self._end_x),
            "x1": times(mark.x1, self._end_x),
            "low": _numbers(mark.low),
            "high": _numbers(mark.high),
            "hatched": mark.hatched,
            "edged": mark.edged,
        }

    @data.register
    def _(self, mark: Sticks) -> Data:
        x = times(mark.x, self._end_x)
        low, high = _numbers(mark.low), _numbers(mark.high)
        return {**self._of(mark, "sticks"), "x0": x, "x1": x, "low": low, "high": high}

    @data.register
    def _(self, mark: AtTop) -> Data:
        return {**self._of(mark, "top"), "x": times(mark.x, self._end_x)}

    @data.register
    def _(self, mark: Moments) -> Data:
        moments = {"kind": "moments", "name": mark.name, "paint": "black"}
        return {**moments, "x": times(mark.x, self._end_x)}

    def _of(self, mark: Line | Boxes | Sticks | AtTop, kind: str) -> Data:
        return {"kind": kind, "name": mark.name, "paint": self._paint(mark.paint)}

    def _paint(self, paint: Paint) -> int | str:
        """A colour's name, or the number of one of the page's own colours."""
        if isinstance(paint, OfWorker):
            return paint.worker
        return self._run_numbers[paint.label] - 1 if isinstance(paint, OfRun) else paint


def is_over_time(panel: Data) -> bool:
    """Whether the panel's horizontal axis is the time of the whole run."""
    return "xs" in panel and panel["xs"][0]["name"] == "time_s"


def _axis(axis: Axis) -> Data:
    return {
        "name": axis.name,
        "label": axis.text,
        "unit": axis.unit,
        "log": axis.log,
        "whole": axis.whole,
        "includes": axis.includes,
        "span": axis.span,
        "labels": axis.labels,
        "levels": [{"value": level.value, "text": level.name} for level in axis.levels],
    }


def _numbers(values: Numbers) -> Any:
    """The values for JSON: a list, or one number for all items."""
    return numbers(values) if isinstance(values, np.ndarray) else float(values)


def _sentence(note: str) -> str:
    if not note:
        return ""
    return note[0].upper() + note[1:] + ("" if note.endswith(".") else ".")
