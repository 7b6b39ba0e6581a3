"""Where the workers' time went: stacked shares, a bar a worker, or a bar a run for several."""

from typing import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from adsp_mpi.analysis.draw.runs import Plot, View, require, run_labels
from adsp_mpi.analysis.draw.style import (
    BLUE,
    NARROW_INCHES,
    ORANGE,
    SKY,
    VERMILLION,
    Look,
    legend_below,
    whole_numbers,
)
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.worker_metrics import ACTIVITIES, activity_seconds

LOOKS = {
    "computing": Look(BLUE, ""),
    "sleeping": Look(SKY, "", hatch="...."),
    "committing": Look(ORANGE, "", hatch="////"),
    "waiting": Look(VERMILLION, "", hatch="xxxx"),
}
MAX_APART = 40
"""Bars that have room for a gap between them."""

LABELS = {"sleeping": "injected sleep"}


def draw(runs: Sequence[RunTrace], view: View) -> Figure:
    shares = [_shares(trace) for trace in runs]
    one = len(runs) == 1
    bars = shares[0] if one else np.array([of_run.mean(axis=0) for of_run in shares])
    height = min(max(1.3, 0.9 + 0.16 * len(bars)), 6.0)
    figure = Figure(figsize=(view.width_inches or NARROW_INCHES, height), layout="constrained")
    axes = figure.subplots()
    drawn = [name for name, column in zip(ACTIVITIES, bars.T, strict=True) if column.any()]
    left, thickness = np.zeros(len(bars)), 0.8 if len(bars) <= MAX_APART else 1.0
    for name in drawn:
        widths, look = 100 * bars[:, ACTIVITIES.index(name)], LOOKS[name]
        axes.barh(
            range(len(bars)),
            widths,
            thickness,
            left,
            color=look.colour,
            hatch=look.hatch,
            edgecolor="white",
            linewidth=0,
        )
        left += widths
    if one:
        whole_numbers(axes.yaxis, 12)
        axes.set_ylabel("worker")
        axes.set_title(run_labels(runs)[0])
    else:
        axes.set_yticks(range(len(bars)), run_labels(runs))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("share of the worker's time (%)" if one else "share of the workers' time (%)")
    legend_below(figure, [_patch(name) for name in drawn])
    return figure


def _shares(trace: RunTrace) -> np.ndarray:
    """[workers, activities]; 0 for a worker that recorded nothing."""
    seconds = np.array([activity_seconds(trace, worker) for worker in trace.workers])
    require(seconds.size > 0 and bool(seconds.any()), trace, "no worker recorded anything")
    return seconds / np.maximum(seconds.sum(axis=1, keepdims=True), 1e-12)


def _patch(name: str) -> Patch:
    look = LOOKS[name]
    return Patch(
        facecolor=look.colour,
        hatch=look.hatch,
        edgecolor="white",
        linewidth=0,
        label=LABELS.get(name, name),
    )


PLOT = Plot(draw)
