"""Speed of every worker over time, and the heterogeneity H that it makes."""

from dataclasses import dataclass
from typing import Sequence

import numpy as np
from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.runs import Plot, SpeedScale, View, require, run_panels
from adsp_mpi.analysis.draw.style import BLUE, from_zero, legend_below, line_handles
from adsp_mpi.analysis.metrics import injected_step_times_h
from adsp_mpi.analysis.run_trace import RunTrace

MAX_WINDOWS = 60
STEPS_A_WINDOW = 8
"""Of the slowest worker, on average; fewer would show the chance of where a step falls."""


@dataclass(frozen=True)
class Speeds:
    """Steps per second of computing and injected sleep, in windows of equal length."""

    window_s: float
    edges_s: np.ndarray  # [windows + 1]
    speed: np.ndarray  # [windows, workers]; NaN where a worker took no step

    @property
    def heterogeneity(self) -> np.ndarray:
        """H = mean / smallest speed, [windows]; NaN where some worker took no step."""
        return self.speed.mean(axis=1) / self.speed.min(axis=1)


def speeds_over_time(trace: RunTrace) -> Speeds:
    """A step counts in the window that it begins in."""
    fewest = min((trace.num_rows(worker, "steps") for worker in trace.workers), default=0)
    require(fewest > 0, trace, "some worker recorded no step")
    windows = int(np.clip(fewest / STEPS_A_WINDOW, 1, MAX_WINDOWS))
    edges = np.linspace(0, trace.end_s, windows + 1)
    columns = []
    for worker in trace.workers:
        rows = trace.worker_rows(worker, "steps", ("start_s", "compute_s", "sleep_s"))
        steps, _ = np.histogram(rows["start_s"], edges)
        lasted_s = rows["compute_s"] + rows["sleep_s"]
        training_s, _ = np.histogram(rows["start_s"], edges, weights=lasted_s)
        columns.append(np.divide(steps, training_s, np.full(windows, np.nan), where=steps > 0))
    return Speeds(trace.end_s / windows, edges, np.stack(columns, axis=1))


def draw(runs: Sequence[RunTrace], view: View) -> Figure:
    measured = [speeds_over_time(trace) for trace in runs]
    figure, axes = run_panels(runs, view, rows=2)
    scale = SpeedScale.of(runs)
    for number, (trace, speeds) in enumerate(zip(runs, measured, strict=True)):
        top, bottom = axes[:, number]
        for worker, speed in zip(trace.workers, speeds.speed.T, strict=True):
            colour = scale.colour(number, worker)
            top.stairs(speed, speeds.edges_s, baseline=None, color=colour, linewidth=0.9)
        bottom.stairs(
            speeds.heterogeneity, speeds.edges_s, baseline=None, color=BLUE, label="measured"
        )
        injected = _injected_h(trace)
        if injected is not None:
            label = "injected at the start"
            bottom.axhline(injected, color="black", linestyle="--", linewidth=0.8, label=label)
        top.set_title(f"{top.get_title()}\nwindows of {speeds.window_s:.3g} s")
        bottom.set_xlim(0, trace.end_s)
    axes[0][0].set_ylabel("speed of a worker (steps/s)")
    axes[1][0].set_ylabel("heterogeneity H")
    from_zero(axes[0][0])
    axes[1][0].set_ylim(0.95, max(1.5, 1.05 * axes[1][0].get_ylim()[1]))
    figure.align_ylabels(list(axes[:, 0]))
    legend_below(figure, line_handles(list(axes[1])))
    return figure


def _injected_h(trace: RunTrace) -> float | None:
    times_s = [trace.worker_meta(worker).get("step_time_s", 0.0) for worker in trace.workers]
    return injected_step_times_h(times_s)


PLOT = Plot(draw)
