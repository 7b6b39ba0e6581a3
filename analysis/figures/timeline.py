"""What every worker did in a window of time: one track each with steps, commits and waits."""

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, Panels, require
from adsp_mpi.analysis.series.panel import Axis, Boxes, Mark, Moments, Panel, Sticks
from adsp_mpi.errors import UsageError

MAX_TRACKS = 24
"""At most this many workers are shown, spread from the slowest to the fastest."""

SLOW_STEPS, FAST_STEPS = 12, 100
"""The default window shows at least SLOW_STEPS steps of the slowest worker and, to show a commit
interval, up to FAST_STEPS of the fastest."""

MAX_BLOCKS = 150
"""Up to this many steps of a track are shown one by one; of more, adjacent ones are merged."""

SEEN_PARTS = 3000
"""Times closer than this fraction of the window cannot be told apart."""

STEP_LANE, COMMIT_LANE = (-0.1, 0.42), (-0.36, -0.16)
"""The lower and upper edge of each lane, relative to the middle of the track."""


@dataclass(frozen=True)
class Window:
    from_s: float
    to_s: float

    @property
    def length_s(self) -> float:
        return self.to_s - self.from_s


@dataclass(frozen=True)
class Track:
    """A worker's part of the panel, around the height y."""

    trace: RunTrace
    worker: int
    y: float
    window: Window

    def spans(self, table: str, starts: str, *durations: str) -> tuple[np.ndarray, np.ndarray]:
        """The begins and ends of a table's rows, cut to the window."""
        rows = self.trace.worker_rows(self.worker, table, (starts, *durations))
        ends = rows[starts] + sum(rows[name] for name in durations)
        return _seen(rows[starts], ends, self.window)


def of_run(trace: RunTrace) -> Panels:
    [panels] = of_windows([trace], None, None)
    return panels


def of_windows(
    runs: Sequence[RunTrace], from_s: float | None, to_s: float | None
) -> Sequence[Panels]:
    tracks = [shown_workers(trace) for trace in runs]
    windows = windows_of(runs, from_s, to_s)
    return [
        [_panel(trace, workers, window)]
        for trace, workers, window in zip(runs, tracks, windows, strict=True)
    ]


def shown_workers(trace: RunTrace) -> list[int]:
    """All workers, or `MAX_TRACKS` evenly spread by speed, in the order of their numbers."""
    workers = trace.workers
    stepped = trace.end_s > 0 and any(trace.num_rows(worker, "steps") for worker in workers)
    require(stepped, trace, "no step was recorded")
    if len(workers) <= MAX_TRACKS:
        return workers
    by_speed = sorted(workers, key=lambda worker: trace.speeds[worker])
    chosen = np.linspace(0, len(workers) - 1, MAX_TRACKS).round().astype(int)
    return sorted(by_speed[place] for place in chosen)


def windows_of(
    runs: Sequence[RunTrace], from_s: float | None = None, to_s: float | None = None
) -> list[Window]:
    """The window of each run: the given one, or else windows of the same length."""
    if from_s is None and to_s is None:
        length_s = max(default_length_s(trace) for trace in runs)
        return [_around_a_change(trace, min(length_s, trace.end_s)) for trace in runs]
    return [_given(trace, from_s, to_s) for trace in runs]


def _given(trace: RunTrace, from_s: float | None, to_s: float | None) -> Window:
    length_s = default_length_s(trace)
    to_s = (from_s or 0.0) + length_s if to_s is None else to_s
    from_s = max(0.0, to_s - length_s) if from_s is None else from_s
    if not 0 <= from_s < min(to_s, trace.end_s):
        raise UsageError(
            f"from {from_s:g} s to {to_s:g} s: no part of the run, "
            f"which went from 0 to {trace.end_s:g} s"
        )
    return Window(from_s, to_s)


def default_length_s(trace: RunTrace) -> float:
    """A window's length, s, for some steps of the slowest worker and, if possible, two commits."""
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
    """A window in the middle of the run, with a change of targets soon after its start."""
    middle_s = trace.end_s / 2
    changes = trace.targets["time_s"]
    if len(changes):
        middle_s = float(changes[np.abs(changes - middle_s).argmin()]) + 0.3 * length_s
    from_s = float(np.clip(middle_s - length_s / 2, 0, trace.end_s - length_s))
    return Window(from_s, from_s + length_s)


def _panel(trace: RunTrace, workers: list[int], window: Window) -> Panel:
    top = len(workers) - 1
    tracks = [Track(trace, worker, top - k, window) for k, worker in enumerate(workers)]
    dense = [len(track.spans("steps", "start_s")[0]) > MAX_BLOCKS for track in tracks]
    return Panel(
        (Axis("time", "s", name="window_s", span=(window.from_s, window.to_s)),),
        (Axis("worker", labels=tuple(map(str, workers[::-1])), span=(-0.6, top + 0.6)),),
        (*(mark for track in tracks for mark in _track(track)), *_new_targets(trace, window)),
        note=_note(trace, window, len(workers), any(dense)),
    )


def _note(trace: RunTrace, window: Window, shown: int, merged: bool) -> str:
    digits = max(0, 2 - int(np.floor(np.log10(window.length_s))))
    words = [
        f"{window.from_s:.{digits}f} s to {window.to_s:.{digits}f} s of {trace.end_s:.1f} s",
        f"{shown} of {len(trace.workers)} workers" if shown < len(trace.workers) else "",
        "dense steps merged" if merged else "every block a step",
    ]
    return "; ".join(word for word in words if word)


def _track(track: Track) -> list[Mark]:
    commits = track.trace.worker_rows(track.worker, "commits", ("begun_s", "done_s"))
    in_flight = _seen(commits["begun_s"], commits["done_s"], track.window)
    blocks = [
        _blocks(track, "steps", track.spans("steps", "start_s", "compute_s", "sleep_s"), "sky"),
        _blocks(track, "waiting", track.spans("waits", "start_s", "duration_s"), "grey", True),
        _blocks(track, "pull", track.spans("pulls", "start_s", "duration_s"), "purple"),
        _blocks(track, "commit in flight", in_flight, "orange", lane=COMMIT_LANE),
    ]
    return [mark for marks in (*blocks, _landed(track, commits["done_s"])) for mark in marks]


def _blocks(
    track: Track,
    name: str,
    spans: tuple[np.ndarray, np.ndarray],
    paint: str,
    hatched: bool = False,
    lane: tuple[float, float] = STEP_LANE,
) -> list[Mark]:
    """Spans as blocks; if there are more than `MAX_BLOCKS`, those without a visible gap merge."""
    starts, ends = spans
    dense = len(starts) > MAX_BLOCKS
    if dense:
        starts, ends = merge_close(starts, ends, track.window.length_s / SEEN_PARTS)
    lasting = ends > starts
    low, high = (track.y + edge for edge in lane)
    box = Boxes(name, starts[lasting], ends[lasting], low, high, paint, hatched, edged=not dense)
    return [box] if lasting.any() else []


def _landed(track: Track, done_s: np.ndarray) -> list[Mark]:
    """A line where a commit landed; landings that cannot be told apart share one."""
    window = track.window
    landed = done_s[(done_s >= window.from_s) & (done_s <= window.to_s)]
    parts = ((landed - window.from_s) / window.length_s * SEEN_PARTS).astype(int)
    landed = landed[np.unique(parts, return_index=True)[1]]
    low, high = (track.y + edge for edge in (COMMIT_LANE[0] - 0.04, COMMIT_LANE[1] + 0.04))
    return [Sticks("commit landed", landed, low, high, "vermillion")] if len(landed) else []


def _new_targets(trace: RunTrace, window: Window) -> list[Mark]:
    times_s = trace.targets["time_s"]
    seen = times_s[(times_s >= window.from_s) & (times_s <= window.to_s)]
    return [Moments("new targets", seen)] if len(seen) else []


def _seen(starts: np.ndarray, ends: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The spans that overlap the window, cut to it."""
    kept = (ends >= window.from_s) & (starts <= window.to_s)
    low, high = window.from_s, window.to_s
    return np.clip(starts[kept], low, high), np.clip(ends[kept], low, high)


def merge_close(
    starts: np.ndarray, ends: np.ndarray, gap_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """The spans in order of time, joined where the gap between two is at most `gap_s`."""
    if not len(starts):
        return starts, ends
    apart = starts[1:] - ends[:-1] > gap_s
    return starts[np.append(True, apart)], ends[np.append(apart, True)]


FIGURE = Figure("Timeline", of_run=of_run, of_windows=of_windows, wide=True)
