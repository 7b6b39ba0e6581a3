"""Lays out a printed figure: panels below each other, several runs side by side."""

import textwrap
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis as PrintedAxis
from matplotlib.figure import Figure as PrintedFigure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from adsp_mpi.analysis.draw.colours import Colours
from adsp_mpi.analysis.draw.marks import PHASE_COLOUR, draw_marks
from adsp_mpi.analysis.draw.style import (
    NARROW_INCHES,
    WIDE_INCHES,
    legend_below,
    line_handles,
    whole_numbers,
)
from adsp_mpi.analysis.series.figure import (
    Figure,
    NothingToDraw,
    Panels,
    Runs,
    show_those_that_apply,
)
from adsp_mpi.analysis.series.limits import label_places, x_limits, y_limits
from adsp_mpi.analysis.series.other_axis import over
from adsp_mpi.analysis.series.panel import AnyPanel, Axis, Bars, Panel
from adsp_mpi.errors import UsageError

MAX_RUNS = 4
"""The most runs that fit side by side, or below each other."""

PANEL_INCHES, FURNITURE_INCHES = 1.7, 0.9
TRACK_INCHES, BAR_INCHES, MAX_BARS_INCHES = 0.2, 0.16, 5.5
LETTERS_AN_INCH = 15
MAX_APART = 40
"""Above this number of bars there is no gap between them."""

TICKS = 6
X_LABELS, Y_LABELS = 12, 24
HATCHES = ("", "....", "////", "xxxx")


@dataclass(frozen=True)
class View:
    """The options of the command line; None: chosen to suit the runs."""

    width_inches: float | None = None
    from_s: float | None = None
    to_s: float | None = None
    xs: Sequence[str] = ()
    """The names of horizontal axes, each for panels of its own."""


@dataclass(frozen=True)
class Cell:
    """A panel and the title above it."""

    panel: AnyPanel
    title: str = ""


Grid = dict[tuple[int, int], Cell]
"""Cells by row and column."""


def draw(figure: Figure, runs: Runs, view: View) -> tuple[PrintedFigure, tuple[NothingToDraw, ...]]:
    """Draw the figure for the runs that it applies to; returns it and why others are not in it."""
    if figure.of_runs and (len(runs) > 1 or not figure.of_run):
        panels, _, left_out = show_those_that_apply(runs, figure.of_runs)
        panels = [over(panel, name) for name in view.xs for panel in panels] or panels
        return _drawn(_stacked({"": panels}), view.width_inches or NARROW_INCHES), left_out
    of_each, shown, left_out = show_those_that_apply(runs, lambda r: _of_each(figure, r, view))
    if len(shown) > MAX_RUNS:
        raise UsageError(f"this figure has room for {MAX_RUNS} runs, not {len(shown)}")
    by_run = dict(zip(shown, of_each, strict=True))
    grid = _stacked(by_run) if figure.wide else _side_by_side(by_run)
    usual = WIDE_INCHES if figure.wide or len(by_run) > 1 else NARROW_INCHES
    return _drawn(grid, view.width_inches or usual), left_out


def _of_each(figure: Figure, runs: Runs, view: View) -> Sequence[Panels]:
    """The panels of each of several runs that are not drawn in the same panels."""
    if figure.of_windows:
        return figure.of_windows(list(runs.values()), view.from_s, view.to_s)
    assert figure.of_run
    return [figure.of_run(trace) for trace in runs.values()]


def _stacked(by_run: Mapping[str, Panels]) -> Grid:
    cells = [
        Cell(panel, _title(label, panel)) for label, panels in by_run.items() for panel in panels
    ]
    return {(row, 0): cell for row, cell in enumerate(cells)}


def _side_by_side(by_run: Mapping[str, Panels]) -> Grid:
    """Arrange the panels in one column per run."""
    return {
        (row, column): Cell(panel, _title("" if row else label, panel))
        for column, (label, panels) in enumerate(by_run.items())
        for row, panel in enumerate(panels)
    }


def _title(label: str, panel: AnyPanel) -> str:
    return ": ".join(filter(None, [label, panel.note if label else ""]))


def _drawn(grid: Grid, width: float) -> PrintedFigure:
    rows, columns = (1 + max(places) for places in zip(*grid, strict=True))
    heights = [
        max(_height(cell.panel) for (row, _), cell in grid.items() if row == r) for r in range(rows)
    ]
    size = (width, FURNITURE_INCHES + sum(heights))
    figure = PrintedFigure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    panels = [cell.panel for cell in grid.values()]
    colours = Colours.of(panels)
    for row, column in set(np.ndindex(rows, columns)) - set(grid):
        hidden: Any = axes[row, column]
        hidden.set_axis_off()
    for place, cell in grid.items():
        _draw_panel(axes[place], cell.panel, colours, heights[place[0]])
        axes[place].set_title(textwrap.fill(cell.title, int(LETTERS_AN_INCH * width / columns)))
    _share_axes(axes, grid)
    figure.align_ylabels(list(axes[:, 0]))
    colours.draw_scale(figure, list(axes.flat))
    handles = [*line_handles([axes[place] for place in grid]), *_phases(panels)]
    if handles:
        legend_below(figure, handles)
    return figure


def _phases(panels: Sequence[AnyPanel]) -> list[Patch]:
    """The legend entries for the shaded phases."""
    spans = [span.name for panel in panels if isinstance(panel, Panel) for span in panel.spans]
    names = " or ".join(dict.fromkeys(spans))
    return [Patch(facecolor=PHASE_COLOUR, label=f"scheduler's phase: {names}")] if names else []


def _height(panel: AnyPanel) -> float:
    """The height of a panel, inches."""
    if isinstance(panel, Bars):
        return min(0.3 + BAR_INCHES * len(panel.rows), MAX_BARS_INCHES)
    if panel.ys[0].labels:
        return 0.5 + TRACK_INCHES * len(panel.ys[0].labels)
    return PANEL_INCHES


def _share_axes(axes: np.ndarray, grid: Grid) -> None:
    """Give adjacent panels with the same axis the same limits and only one label."""
    for (row, column), cell in grid.items():
        panel, below, left = cell.panel, grid.get((row + 1, column)), grid.get((row, column - 1))
        if not isinstance(panel, Panel):
            continue
        if below and isinstance(below.panel, Panel) and _same_x(below.panel, panel):
            axes[row, column].set_xlabel("")
            axes[row, column].tick_params(labelbottom=False)
        if left and isinstance(left.panel, Panel) and left.panel.ys[0].text == panel.ys[0].text:
            axes[row, column].set_ylabel("")
    for row in range(len(axes)):
        shared = [
            (axes[row, c], cell.panel)
            for (r, c), cell in grid.items()
            if r == row and isinstance(cell.panel, Panel) and cell.panel.ys[0].same_scale
        ]
        limits = [y_limits(panel) for _, panel in shared]
        for number, (panel_axes, _) in enumerate(shared):
            panel_axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
            panel_axes.tick_params(labelleft=not number)


def _same_x(one: Panel, other: Panel) -> bool:
    return (one.xs[0].name, one.xs[0].span) == (other.xs[0].name, other.xs[0].span)


def _draw_panel(axes: Axes, panel: AnyPanel, colours: Colours, height: float) -> None:
    if isinstance(panel, Bars):
        _draw_bars(axes, panel, colours)
        return
    x, y = panel.xs[0], panel.ys[0]
    draw_marks(axes, panel, colours)
    if y.log:
        axes.set_yscale("log")
    axes.set_xlim(*x_limits(panel))
    axes.set_ylim(*y_limits(panel))
    _set_ticks(axes.xaxis, x, X_LABELS)
    _set_ticks(axes.yaxis, y, Y_LABELS)
    axes.set_xlabel(x.text)
    axes.set_ylabel(textwrap.fill(y.text, int(LETTERS_AN_INCH * height)))


def _set_ticks(axis: PrintedAxis, says: Axis, room: int) -> None:
    """Set ticks at whole numbers, at up to `room` labels, or at 1, 2, 5 times powers of ten."""
    if says.labels:
        places = label_places(says.labels, room)
        axis.set_ticks(places, [says.labels[place] for place in places])
        axis.set_tick_params(length=0)
    elif says.whole:
        whole_numbers(axis, TICKS)
    elif says.log:
        low, high = axis.get_view_interval()
        if high / low < 1000:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def _draw_bars(axes: Axes, bars: Bars, colours: Colours) -> None:
    """Draw stacked bars, the first row on top, without parts that are 0 in all rows."""
    rows = range(len(bars.rows))
    left, thickness = np.zeros(len(rows)), 0.8 if len(rows) <= MAX_APART else 1.0
    for part, paint, hatch, shares in zip(
        bars.parts, bars.paints, cycle(HATCHES), bars.shares.T, strict=False
    ):
        if shares.any():
            look: dict[str, Any] = {"hatch": hatch, "edgecolor": "white", "linewidth": 0}
            colour = colours.look(paint).colour
            axes.barh(rows, 100 * shares, thickness, left, color=colour, label=part, **look)
        left += 100 * shares
    _set_ticks(axes.yaxis, Axis(bars.row_label, labels=bars.rows), Y_LABELS)
    axes.set_ylabel(bars.row_label)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"{bars.share_label} (%)")
