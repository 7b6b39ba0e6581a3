"""Commits of every worker, counted over time: equal counts lie on each other, the slow below."""

from typing import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.runs import Plot, SpeedScale, View, require, run_panels, thinned
from adsp_mpi.analysis.draw.style import from_zero, legend_below, line_handles, whole_numbers
from adsp_mpi.analysis.run_trace import RunTrace

WIDEST, NARROWEST = 3.2, 0.7
"""Lines in points: where lines lie on each other, the slower workers' show at both sides."""


def draw(runs: Sequence[RunTrace], view: View) -> Figure:
    figure, axes = run_panels(runs, view, share_y=False)
    scale = SpeedScale.of(runs)
    for number, (panel, trace) in enumerate(zip(axes[0], runs, strict=True)):
        _draw_workers(panel, trace, number, scale)
        _draw_target(panel, trace)
        panel.set_xlim(0, trace.end_s)
        from_zero(panel)
        whole_numbers(panel.yaxis, 6)
    axes[0][0].set_ylabel("commits of a worker")
    scale.draw_bar(figure, axes)
    handles = line_handles(list(axes[0]))
    if handles:
        legend_below(figure, handles)
    return figure


def _draw_workers(panel: Axes, trace: RunTrace, number: int, scale: SpeedScale) -> None:
    counts = 0
    speeds = scale.speeds[number]
    slowest_first = sorted(trace.workers, key=lambda worker: speeds[worker])
    widths = np.linspace(NARROWEST, WIDEST, len(slowest_first))[::-1]
    for worker, width in zip(slowest_first, widths, strict=True):
        done_s = trace.worker_rows(worker, "commits", ("done_s",))["done_s"]
        counts += len(done_s)
        kept = thinned(np.arange(len(done_s)))
        panel.step(
            [0.0, *done_s[kept], trace.end_s],
            [0, *(kept + 1), len(done_s)],
            where="post",
            color=scale.colour(number, worker),
            linewidth=width,
            solid_capstyle="butt",
        )
    require(counts > 0, trace, "no commit was recorded")


def _draw_target(panel: Axes, trace: RunTrace) -> None:
    """C_target, which every worker shall have reached when it rises."""
    targets = thinned(trace.targets[trace.targets["commit_target"] > 0])
    if len(targets):
        panel.step(
            [*targets["time_s"], trace.end_s],
            [*targets["commit_target"], targets["commit_target"][-1]],
            where="post",
            color="black",
            linestyle=(0, (1, 2)),
            linewidth=0.8,
            label="C_target, to be reached at the next check",
        )


PLOT = Plot(draw)
