"""Loss of the global model over time, runs over each other, with the target."""

from typing import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from adsp_mpi.analysis.draw.runs import Plot, View, require, run_labels, run_looks, thinned
from adsp_mpi.analysis.draw.style import HEIGHT_INCHES, NARROW_INCHES, legend_below, line_handles
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.core.stop import time_to_target


def draw(runs: Sequence[RunTrace], view: View) -> Figure:
    size = (view.width_inches or NARROW_INCHES, HEIGHT_INCHES)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    lowest = np.inf
    for trace, label, look in zip(runs, run_labels(runs), run_looks(runs), strict=True):
        evals = trace.counted_evals[["time_s", "loss"]]
        evals = evals[np.isfinite(evals["loss"])]
        require(len(evals) > 0, trace, "no evaluation was recorded")
        lowest = min(lowest, float(evals["loss"].min()))
        points = thinned(evals)
        axes.plot(points["time_s"], points["loss"], look.line, color=look.colour, label=label)
        _mark_target(axes, trace, evals, look.colour, look.marker)
    if lowest > 0:
        _log_scale(axes)
    for target in sorted({trace.setting("stop", "target_loss", 0.0) for trace in runs} - {0.0}):
        axes.axhline(target, color="black", linewidth=0.6, zorder=1, label="target")
    axes.set_xlim(left=0)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("loss of the global model")
    legend_below(figure, line_handles([axes]))
    return figure


def _mark_target(axes: Axes, trace: RunTrace, evals: np.ndarray, colour: str, marker: str) -> None:
    """A marker where the run reached its target for good."""
    target = trace.setting("stop", "target_loss", 0.0)
    losses = list(zip(evals["time_s"].tolist(), evals["loss"].tolist(), strict=True))
    reached_s = time_to_target(losses, target) if target else None
    if reached_s is not None:
        loss = dict(losses)[reached_s]
        axes.plot(reached_s, loss, marker, color=colour, markeredgecolor="black", zorder=3)


def _log_scale(axes: Axes) -> None:
    """Powers of ten with their 2 and 5 written out where the axis is short."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high / low < 1000:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


PLOT = Plot(draw)
