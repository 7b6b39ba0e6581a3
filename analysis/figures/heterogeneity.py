"""The speed of every worker over time, and the heterogeneity H that follows from them."""

from dataclasses import dataclass

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, Panels, require
from adsp_mpi.analysis.series.panel import Axis, Level, Line, Panel, time_axis
from adsp_mpi.analysis.series.runs import phase_spans, worker_paints
from adsp_mpi.analysis.speed import steps_per_second
from adsp_mpi.core.report import injected_step_times_h

MAX_WINDOWS = 60
STEPS_A_WINDOW = 8
"""The slowest worker's mean number of steps in a window; with fewer, chance would show."""

SPEED = Axis("speed of a worker", "steps/s", includes=(0.0,), same_scale=True)


@dataclass(frozen=True)
class Speeds:
    """Steps per second of computing and injected sleep, in windows of equal length."""

    window_s: float
    edges_s: np.ndarray  # [windows + 1]
    speed: np.ndarray  # [windows, workers]; NaN where a worker took no step

    @property
    def heterogeneity(self) -> np.ndarray:
        """H = mean / smallest speed, [windows]; NaN where some worker took no step."""
        h: np.ndarray = self.speed.mean(axis=1) / self.speed.min(axis=1)
        return h


def speeds_over_time(trace: RunTrace) -> Speeds:
    """The workers' speeds in windows; a step counts in the window in which it begins."""
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
        columns.append(steps_per_second(steps, training_s))
    return Speeds(trace.end_s / windows, edges, np.stack(columns, axis=1))


def of_run(trace: RunTrace) -> Panels:
    speeds = speeds_over_time(trace)
    lines = [
        Line(f"worker {paint.worker}", speeds.edges_s, _held(speed), paint, kind="steps")
        for paint, speed in zip(worker_paints(trace), speeds.speed.T, strict=True)
    ]
    times, spans = (time_axis(trace.end_s),), phase_spans(trace)
    measured = Line("measured", speeds.edges_s, _held(speeds.heterogeneity), kind="steps")
    note = f"windows of {speeds.window_s:.3g} s"
    return [
        Panel(times, (SPEED,), tuple(lines), "speed", note, spans),
        Panel(times, (_h_axis(trace),), (measured,), "H", spans=spans),
    ]


def _h_axis(trace: RunTrace) -> Axis:
    times_s = [trace.worker_meta(worker).get("step_time_s", 0.0) for worker in trace.workers]
    injected = injected_step_times_h(times_s)
    levels = () if injected is None else (Level(injected, "injected at the start"),)
    return Axis("heterogeneity H", includes=(1.0, 1.5), levels=levels, same_scale=True)


def _held(values: np.ndarray) -> np.ndarray:
    """`values` with the last one repeated, for a line in steps up to the last edge."""
    return np.append(values, values[-1])


FIGURE = Figure("Speed and heterogeneity", of_run=of_run)
