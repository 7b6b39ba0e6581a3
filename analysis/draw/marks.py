"""Draws the marks of a panel with matplotlib."""

from functools import singledispatch
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from adsp_mpi.analysis.draw.colours import Colours
from adsp_mpi.analysis.draw.style import VERMILLION
from adsp_mpi.analysis.series.panel import (
    AtTop,
    Boxes,
    Line,
    Mark,
    Moments,
    OfRun,
    OfWorker,
    Panel,
    Sticks,
)
from adsp_mpi.analysis.series.thin import kept

COLUMNS = 1000
"""A line is cut into this many parts; of each its least and greatest values are drawn."""

WIDEST, NARROWEST = 3.2, 0.7
"""Line widths in points: a slower worker's line is wider, and shows behind a faster one's."""

TOP = 0.97
"""The height, as a share of the panel's, at which values beyond every scale are drawn."""

PHASE_COLOUR = "#e4e4e4"
DOTS_SIZE, MANY_DOTS_SIZE, MANY_DOTS = 3.5, 1.8, 60


def draw_marks(axes: Axes, panel: Panel, colours: Colours) -> None:
    """Draw all marks and spans of `panel`, the slowest worker's first."""
    for span in panel.spans:
        axes.axvspan(span.from_s, span.to_s, facecolor=PHASE_COLOUR, linewidth=0)
    ordered = sorted(panel.marks, key=_speed)
    workers = sum(isinstance(mark, Line) and _speed(mark) >= 0 for mark in panel.marks)
    widths = iter(np.linspace(WIDEST, NARROWEST, workers))
    dots = sum(len(m.x) for m in panel.marks if isinstance(m, Line) and m.kind == "dots")
    for mark in ordered:
        drawn = draw_mark(mark, axes, colours)
        if isinstance(mark, Line) and mark.kind == "dots" and dots > MANY_DOTS:
            drawn.set_markersize(MANY_DOTS_SIZE)
        if panel.lines_coincide and isinstance(mark, Line) and _speed(mark) >= 0:
            drawn.set_linewidth(next(widths))
    for level in panel.ys[0].levels:
        axes.axhline(
            level.value,
            color=VERMILLION if level.dashed else "black",
            linestyle="--" if level.dashed else "-",
            linewidth=0.8,
            zorder=2.5 if level.dashed else 1.5,
            label=level.name or None,
        )
    _leave_out_of_legend(axes, panel.ys[0].label)


def _leave_out_of_legend(axes: Axes, said: str) -> None:
    """Leave out of the legend a mark with the same name as its axis."""
    for drawn in axes.get_children():
        if drawn.get_label() == said:
            drawn.set_label("")


def _speed(mark: Mark) -> float:
    """The speed of the mark's worker; -1 for a mark that belongs to no worker."""
    paint = mark.paint if isinstance(mark, Line) else None
    return paint.speed if isinstance(paint, OfWorker) else -1.0


@singledispatch
def draw_mark(mark: Any, axes: Axes, colours: Colours) -> Any:
    """Draw one mark; returns what matplotlib made of it."""
    raise TypeError(f"no mark: {mark!r}")


@draw_mark.register
def _(mark: Line, axes: Axes, colours: Colours) -> Any:
    look = colours.look(mark.paint)
    rows = kept(mark.x, [mark.y], COLUMNS, middle=mark.kind == "dots")
    x, y = mark.x[rows], np.where(np.isfinite(mark.y[rows]), mark.y[rows], np.nan)
    label = None if isinstance(mark.paint, OfWorker) else mark.name
    for text, at, value in zip(mark.texts, x, y, strict=False):
        place: dict[str, Any] = {"xytext": (0, 4), "textcoords": "offset points"}
        axes.annotate(text, (at, value), **place, ha="center", fontsize=6)
    if mark.kind == "dots":
        is_run = isinstance(mark.paint, OfRun)
        [drawn] = axes.plot(
            x,
            y,
            look.marker,
            color=look.colour,
            markeredgecolor="black" if is_run else look.colour,
            markersize=4 if is_run else DOTS_SIZE,
            label=None if is_run else label,
            clip_on=False,
            zorder=3,
        )
        return drawn
    [drawn] = axes.plot(
        x,
        y,
        linestyle=(0, (1, 2)) if mark.dotted else look.line,
        color=look.colour,
        drawstyle="steps-post" if mark.kind == "steps" else "default",
        solid_capstyle="butt",
        label=label,
    )
    if len(x) == 1:
        drawn.set_marker(look.marker)
    return drawn


@draw_mark.register
def _(mark: Boxes, axes: Axes, colours: Colours) -> Any:
    colour = colours.look(mark.paint).colour
    low, high = (np.broadcast_to(edge, mark.x0.shape) for edge in (mark.low, mark.high))
    corners = [[mark.x0, low], [mark.x0, high], [mark.x1, high], [mark.x1, low]]
    drawn = PolyCollection(
        list(np.array(corners, dtype=float).transpose(2, 0, 1)),
        facecolors="white" if mark.hatched else colour,
        edgecolors=colour if mark.hatched else "white",
        hatch="//////" if mark.hatched else None,
        linewidths=0.5 if mark.edged else 0.0,
        label=mark.name,
        zorder=2,
    )
    axes.add_collection(drawn)
    return drawn


@draw_mark.register
def _(mark: Sticks, axes: Axes, colours: Colours) -> Any:
    look = colours.look(mark.paint)
    return axes.vlines(
        mark.x, mark.low, mark.high, color=look.colour, linewidth=1.0, label=mark.name
    )


@draw_mark.register
def _(mark: AtTop, axes: Axes, colours: Colours) -> Any:
    heights = np.full(len(mark.x), TOP)
    colour, transform = colours.look(mark.paint).colour, axes.get_xaxis_transform()
    return axes.plot(mark.x, heights, "^", color=colour, transform=transform, label=mark.name)


@draw_mark.register
def _(mark: Moments, axes: Axes, colours: Colours) -> Any:
    for number, x in enumerate(mark.x):
        label = None if number else mark.name
        axes.axvline(x, color="black", linestyle="--", linewidth=0.8, label=label)
