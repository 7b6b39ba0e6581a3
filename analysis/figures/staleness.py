"""How stale commits were: a histogram and a bar a worker, or a bar a run for several."""

from typing import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from adsp_mpi.analysis.draw.runs import Plot, View, require, run_labels
from adsp_mpi.analysis.draw.style import (
    BLUE,
    HEIGHT_INCHES,
    NARROW_INCHES,
    SKY,
    VERMILLION,
    WIDE_INCHES,
    legend_below,
    line_handles,
    whole_numbers,
)
from adsp_mpi.analysis.run_trace import RunTrace

TEXT = "staleness (commits of others)"
MAX_BARS = 40
"""Of the histogram."""


def draw(runs: Sequence[RunTrace], view: View) -> Figure:
    per_run = [_of_workers(trace) for trace in runs]
    several = len(runs) > 1
    size = (view.width_inches or (NARROW_INCHES if several else WIDE_INCHES), HEIGHT_INCHES)
    figure = Figure(figsize=size, layout="constrained")
    if several:
        axes = figure.subplots()
        _draw_ranges(axes, [np.concatenate(of_run) for of_run in per_run])
        axes.set_xticks(range(len(runs)), run_labels(runs))
    else:
        left, axes = figure.subplots(1, 2)
        _draw_histogram(left, np.concatenate(per_run[0]))
        _draw_ranges(axes, per_run[0])
        whole_numbers(axes.xaxis, 12)
        axes.set_xlabel("worker")
        _draw_even(axes, len(per_run[0]))
        figure.suptitle(run_labels(runs)[0], fontsize="medium")
    axes.set_ylabel(TEXT)
    high = max(1.0, axes.get_ylim()[1])
    axes.set_ylim(-0.02 * high, 1.02 * high)
    whole_numbers(axes.yaxis, 6)
    legend_below(figure, line_handles([axes]))
    return figure


def _of_workers(trace: RunTrace) -> list[np.ndarray]:
    """Staleness of every commit, of each worker."""
    columns = ("staleness",)
    rows = [trace.worker_rows(w, "commits", columns)["staleness"] for w in trace.workers]
    require(any(len(of_worker) for of_worker in rows), trace, "no commit was recorded")
    return rows


def _draw_histogram(axes: Axes, staleness: np.ndarray) -> None:
    """Shares of all commits; a bar a value, or several values where there are many."""
    highest = int(staleness.max())
    width = highest // MAX_BARS + 1
    edges = np.arange(0, highest + width + 1, width) - 0.5
    weights = np.full(len(staleness), 1 / len(staleness))
    axes.hist(staleness, edges.tolist(), weights=weights, color=SKY, edgecolor=BLUE, linewidth=0.6)
    whole_numbers(axes.xaxis, 8)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
    axes.set_xlabel(TEXT)
    axes.set_ylabel("share of all commits (%)")


def _draw_ranges(axes: Axes, groups: Sequence[np.ndarray]) -> None:
    """The range, the middle half and the mean of each group; nothing for an empty one."""
    at = [x for x, values in enumerate(groups) if len(values)]
    shown = [groups[x] for x in at]
    low, high = ([edge(values) for values in shown] for edge in (np.min, np.max))
    axes.vlines(at, low, high, color=BLUE, linewidth=0.9, label="all commits")
    low, high = ([np.percentile(values, share) for values in shown] for share in (25, 75))
    axes.bar(
        at,
        np.subtract(high, low),
        0.5,
        low,
        color=SKY,
        edgecolor=BLUE,
        linewidth=0.6,
        zorder=2,
        label="the middle half",
    )
    means = [values.mean() for values in shown]
    axes.plot(at, means, "D", color="black", markersize=min(3.5, 90 / len(groups)), label="mean")
    axes.set_xlim(-0.5, len(groups) - 0.5)


def _draw_even(axes: Axes, num_workers: int) -> None:
    """What workers see whose commits take turns."""
    label = f"M - 1 = {num_workers - 1}: commits in turn"
    axes.axhline(num_workers - 1, color=VERMILLION, linestyle="--", linewidth=0.8, label=label)


PLOT = Plot(draw)
