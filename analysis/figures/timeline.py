"""What every worker did in a window of time: a track a worker with steps, commits and waits."""

import textwrap
from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.runs import MAX_PANELS, Plot, View, require, run_labels
from adsp_mpi.analysis.draw.style import (
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDE_INCHES,
    legend_below,
    line_handles,
)
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.worker_metrics import worker_metrics
from adsp_mpi.errors import UsageError

MAX_TRACKS = 24
"""With more workers than this some of them are shown, from the slowest to the fastest."""

SLOW_STEPS, FAST_STEPS = 12, 100
"""The default window shows at least so many steps of the slowest worker, and, to show a commit
interval, up to so many of the fastest."""

MAX_BLOCKS_AN_INCH = 22
"""Steps that still show singly; of denser ones those that follow each other become one block."""

SEEN_PARTS = 3000
"""Of a window: what is closer together than one of these could not be told apart."""

LETTERS_AN_INCH = 14
"""That fit into a title."""

STEP_LANE, COMMIT_LANE = (-0.42, 0.52), (0.16, 0.2)
"""From where on its track, and how high."""


STEP_LOOK = {"facecolor": SKY, "edgecolor": "white", "label": "steps"}
WAIT_LOOK = {"facecolor": "white", "edgecolor": GREY, "hatch": "//////", "label": "waiting"}
PULL_LOOK = {"facecolor": PURPLE, "edgecolor": PURPLE, "label": "pull"}
COMMIT_LOOK = {"facecolor": ORANGE, "edgecolor": ORANGE, "label": "commit in flight"}


@dataclass(frozen=True)
class Window:
    from_s: float
    to_s: float

    @property
    def length_s(self) -> float:
        return self.to_s - self.from_s


def draw(runs: Sequence[RunTrace], view: View) -> Figure:
    if len(runs) > MAX_PANELS:
        raise UsageError(f"this figure has room for {MAX_PANELS} runs, not {len(runs)}")
    tracks = [shown_workers(trace) for trace in runs]
    windows = windows_of(runs, view)
    heights = [0.5 + 0.2 * len(workers) for workers in tracks]
    width = view.width_inches or WIDE_INCHES
    figure = Figure(figsize=(width, sum(heights) + 0.7), layout="constrained")
    axes = figure.subplots(len(runs), 1, squeeze=False, height_ratios=heights)[:, 0]
    labels = run_labels(runs)
    for panel, trace, workers, window, label in zip(
        axes, runs, tracks, windows, labels, strict=True
    ):
        merged = [
            _draw_worker(panel, trace, worker, y, window, int(MAX_BLOCKS_AN_INCH * width))
            for y, worker in enumerate(workers)
        ]
        _draw_targets(panel, trace, window)
        title = _title(label, trace, window, len(workers), any(merged))
        panel.set_title(textwrap.fill(title, int(LETTERS_AN_INCH * width)))
        panel.set_xlim(window.from_s, window.to_s)
        panel.set_ylim(len(workers) - 0.4, -0.6)
        panel.set_yticks(range(len(workers)), [str(worker) for worker in workers])
        panel.tick_params(axis="y", length=0)
        panel.set_ylabel("worker")
    axes[-1].set_xlabel("time (s)")
    legend_below(figure, line_handles(list(axes)))
    return figure


def shown_workers(trace: RunTrace) -> list[int]:
    """All workers, or `MAX_TRACKS` of them evenly by speed, in the order of their numbers."""
    workers = trace.workers
    stepped = trace.end_s > 0 and any(trace.num_rows(worker, "steps") for worker in workers)
    require(stepped, trace, "no step was recorded")
    if len(workers) <= MAX_TRACKS:
        return workers
    by_speed = sorted(workers, key=lambda worker: worker_metrics(trace, worker).speed)
    chosen = np.linspace(0, len(workers) - 1, MAX_TRACKS).round().astype(int)
    return sorted(by_speed[place] for place in chosen)


def windows_of(runs: Sequence[RunTrace], view: View) -> list[Window]:
    """What to show of each run: the same window where it is given, else as long for all."""
    if view.from_s is None and view.to_s is None:
        length_s = max(default_length_s(trace) for trace in runs)
        return [_around_a_change(trace, min(length_s, trace.end_s)) for trace in runs]
    return [_given(trace, view) for trace in runs]


def _given(trace: RunTrace, view: View) -> Window:
    length_s = default_length_s(trace)
    to_s = (view.from_s or 0.0) + length_s if view.to_s is None else view.to_s
    from_s = max(0.0, to_s - length_s) if view.from_s is None else view.from_s
    if not 0 <= from_s < min(to_s, trace.end_s):
        raise UsageError(
            f"from {from_s:g} s to {to_s:g} s: no part of the run, "
            f"which went from 0 to {trace.end_s:g} s"
        )
    return Window(from_s, to_s)


def default_length_s(trace: RunTrace) -> float:
    """Long enough for some steps of the slowest worker and, if it fits, two commits of one."""
    steps_s, intervals_s = [], []
    for worker in trace.workers:
        steps = trace.worker_rows(worker, "steps", ("compute_s", "sleep_s"))
        commits_s = trace.worker_rows(worker, "commits", ("begun_s",))["begun_s"]
        if len(steps):
            steps_s.append(float(np.median(steps["compute_s"] + steps["sleep_s"])))
        if len(commits_s) > 1:
            intervals_s.append(float(np.median(np.diff(commits_s))))
    shortest, longest = SLOW_STEPS * max(steps_s), FAST_STEPS * min(steps_s)
    wanted = max(shortest, min(2.2 * max(intervals_s, default=0.0), longest))
    return min(wanted, trace.end_s) or trace.end_s


def _around_a_change(trace: RunTrace, length_s: float) -> Window:
    """A window in the middle of the run, with a change of targets soon after its begin."""
    middle_s = trace.end_s / 2
    changes = trace.targets["time_s"]
    if len(changes):
        middle_s = float(changes[np.abs(changes - middle_s).argmin()]) + 0.3 * length_s
    from_s = float(np.clip(middle_s - length_s / 2, 0, trace.end_s - length_s))
    return Window(from_s, from_s + length_s)


def _title(label: str, trace: RunTrace, window: Window, shown: int, merged: bool) -> str:
    digits = max(0, 2 - int(np.floor(np.log10(window.length_s))))
    words = [
        f"{label}, {window.from_s:.{digits}f} s to {window.to_s:.{digits}f} s "
        f"of {trace.end_s:.1f} s",
        f"{shown} of {len(trace.workers)} workers" if shown < len(trace.workers) else "",
        "dense steps merged" if merged else "every block a step",
    ]
    return "; ".join(word for word in words if word)


def _draw_worker(
    panel: Axes, trace: RunTrace, worker: int, y: int, window: Window, most: int
) -> bool:
    """The track of one worker; whether it had more than `most` steps, and they were merged."""

    def spans(table: str, starts: str, *durations: str) -> tuple[np.ndarray, np.ndarray]:
        rows = trace.worker_rows(worker, table, (starts, *durations))
        ends = rows[starts] + sum(rows[name] for name in durations)
        return _seen(rows[starts], ends, window)

    steps = spans("steps", "start_s", "compute_s", "sleep_s")
    merged = len(steps[0]) > most
    _draw_blocks(panel, steps, y, window, most, STEP_LOOK)
    _draw_blocks(panel, spans("waits", "start_s", "duration_s"), y, window, most, WAIT_LOOK)
    _draw_blocks(panel, spans("pulls", "start_s", "duration_s"), y, window, most, PULL_LOOK)
    commits = trace.worker_rows(worker, "commits", ("begun_s", "done_s"))
    in_flight = _seen(commits["begun_s"], commits["done_s"], window)
    _draw_blocks(panel, in_flight, y, window, most, COMMIT_LOOK)
    _draw_landed(panel, commits["done_s"], y, window)
    return merged


def _draw_blocks(
    panel: Axes,
    spans: tuple[np.ndarray, np.ndarray],
    y: int,
    window: Window,
    most: int,
    look: dict[str, Any],
) -> None:
    """Spans as blocks; more than `most` are merged where no gap could be seen."""
    starts, ends = spans
    dense = len(starts) > most
    if dense:
        starts, ends = merge_close(starts, ends, window.length_s / SEEN_PARTS)
    lasting = [(start, end - start) for start, end in zip(starts, ends, strict=True) if end > start]
    if lasting:
        low, height = COMMIT_LANE if look is COMMIT_LOOK else STEP_LANE
        panel.broken_barh(lasting, (y + low, height), **look | {"linewidth": 0.0 if dense else 0.5})


def _draw_landed(panel: Axes, done_s: np.ndarray, y: int, window: Window) -> None:
    """A line where a commit landed, one where several cannot be told apart."""
    landed = done_s[(done_s >= window.from_s) & (done_s <= window.to_s)]
    parts = ((landed - window.from_s) / window.length_s * SEEN_PARTS).astype(int)
    landed = landed[np.unique(parts, return_index=True)[1]]
    if len(landed):
        low, height = COMMIT_LANE
        ends = (y + low - 0.04, y + low + height + 0.04)
        panel.vlines(landed, *ends, color=VERMILLION, linewidth=1.2, label="commit landed")


def _draw_targets(panel: Axes, trace: RunTrace, window: Window) -> None:
    times_s = trace.targets["time_s"]
    seen = times_s[(times_s >= window.from_s) & (times_s <= window.to_s)]
    for number, time_s in enumerate(seen):
        label = None if number else "new targets"
        panel.axvline(time_s, color="black", linestyle="--", linewidth=0.8, label=label)


def _seen(starts: np.ndarray, ends: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The spans of which some part lies in the window, cut to it."""
    kept = (ends >= window.from_s) & (starts <= window.to_s)
    low, high = window.from_s, window.to_s
    return np.clip(starts[kept], low, high), np.clip(ends[kept], low, high)


def merge_close(
    starts: np.ndarray, ends: np.ndarray, gap_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Spans in order of time, those at most `gap_s` after the one before joined to it."""
    if not len(starts):
        return starts, ends
    apart = starts[1:] - ends[:-1] > gap_s
    return starts[np.append(True, apart)], ends[np.append(apart, True)]


PLOT = Plot(draw, takes_window=True)
