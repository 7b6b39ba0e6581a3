"""What the page draws of each run, as the dictionaries that page/plots.js and bars.js read."""

import re
from typing import Any, Iterable, Sequence

import numpy as np

from adsp_mpi.analysis.metrics import RunMetrics
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.thin import kept, numbers, places_for, times
from adsp_mpi.analysis.worker_metrics import ACTIVITIES
from adsp_mpi.trace import schema

Spec = dict[str, Any]

TIME = {"name": "time_s", "label": "time (s)", "unit": "s"}
EVAL_AXES = [
    TIME,
    {"name": "steps", "label": "steps of all workers", "unit": "steps"},
    {"name": "landed", "label": "commits in the model", "unit": "commits"},
]
TARGETS = {
    "commit_rate": "commits per check period",
    "local_steps": "local steps (tau)",
    "check_period_s": "check period (s)",
    "implicit_momentum": "implicit momentum",
}
IDLE = {"commit_rate": 0.0, "local_steps": 1.0}
"""Targets of this value say that the model does not steer by them."""

NOT_TOLD = ("ps/evals", "ps/targets", "ps/observed", "ps/observed_workers")
SPEEDS, STEPS_PER_SPEED = 400, 10
BAND_PLACES = 800


def evaluations(trace: RunTrace, number: int, runs: int) -> Spec:
    """The line of one run in the plot of all: its evaluations outside of trials."""
    rows = trace.counted_evals
    metrics = [name for name in rows.dtype.names or () if name not in _EVAL_COLUMNS]
    places = kept(rows["time_s"], [rows[name] for name in metrics], places_for(runs))
    columns = {name: numbers(rows[name][places]) for name in ("steps", "landed", *metrics)}
    columns["time_s"] = times(rows["time_s"][places], trace.end_s)
    return {"colour": number - 1, "columns": columns, "all": len(rows), "shown": len(places)}


def evaluations_plot(series: Sequence[Spec], target_losses: Iterable[float]) -> Spec:
    """All runs in one plot; metric and horizontal axis can be chosen."""
    axes = {axis["name"] for axis in EVAL_AXES}
    metrics = {name: None for s in series for name in s["columns"] if name not in axes}
    marks = [{"value": t, "text": f"target {t:g}"} for t in sorted(set(target_losses)) if t]
    ys = [{"name": m, "label": m, "marks": marks if m == "loss" else []} for m in metrics]
    spec = _plot("Evaluations", series, ys or [{"name": "loss", "label": "loss"}], EVAL_AXES)
    spec["note"] = f"Evaluations in trials are left out. {_thinned(series)}".strip()
    return spec | {"view": "evaluations"}


def run_plots(trace: RunTrace, figures: RunMetrics) -> list[Spec]:
    """The plots of one run."""
    plots = [commits_plot(trace), speed_plot(trace), shares_bars(figures), staleness_plot(trace)]
    plots += targets_plots(trace) + told_plots(trace)
    bands = phase_bands(trace)
    for plot in plots:
        plot["whole"] = [0, trace.end_s]
        plot["bands"] = bands
    return plots


def commits_plot(trace: RunTrace) -> Spec:
    series = []
    for worker in trace.workers:
        done_s = trace.worker_rows(worker, "commits", ("done_s",))["done_s"]
        x = np.concatenate([[0.0], done_s, [max(trace.end_s, done_s.max(initial=0.0))]])
        y = np.minimum(np.arange(len(x)), len(done_s))
        series.append(_line(trace, worker, x, y))
    return _plot("Commits", series, [_axis("commits so far")]) | {"as": "steps", "fromZero": True}


def speed_plot(trace: RunTrace) -> Spec:
    """Steps per second; each value is that of some steps in a row, waits included."""
    series, together = [], set()
    for worker in trace.workers:
        start_s = trace.worker_rows(worker, "steps", ("start_s",))["start_s"]
        steps = max(STEPS_PER_SPEED, len(start_s) // SPEEDS)
        series.append(_line(trace, worker, *speeds(start_s, steps)))
        together.add(steps)
    spec = _plot("Speed", series, [_axis("steps per second")]) | {"as": "steps", "fromZero": True}
    low, high = min(together, default=0), max(together, default=0)
    counts = f"{low}" if low == high else f"{low} to {high}"
    return spec | {"note": f"Each value is over {counts} steps in a row, waits included."}


def speeds(start_s: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """When groups of so many steps begin, and their steps per second; the last group is longer."""
    if len(start_s) < 2:
        return np.zeros(0), np.zeros(0)
    firsts = np.append(np.arange(0, max(len(start_s) - steps, 1), steps), len(start_s) - 1)
    speed = np.diff(firsts) / np.maximum(np.diff(start_s[firsts]), 1e-9)
    return start_s[firsts], np.append(speed, speed[-1])


def staleness_plot(trace: RunTrace) -> Spec:
    """A dot a commit. Of many the medians are kept too: dots at both ends would hide the usual."""
    series = []
    for worker in trace.workers:
        rows = trace.worker_rows(worker, "commits", ("done_s", "staleness"))
        series.append(_line(trace, worker, rows["done_s"], rows["staleness"], middle=True))
    spec = _plot("Staleness", series, [_axis("commits of others in between")])
    note = _thinned(series, "the least, the median and the greatest")
    return spec | {"as": "dots", "fromZero": True, "note": note}


def shares_bars(figures: RunMetrics) -> Spec:
    rows = [
        {
            "name": f"worker {worker.worker}",
            "title": f"worker {worker.worker}" + (f" on {worker.host}" if worker.host else ""),
            "shares": [round(getattr(worker, f"{name}_share"), 6) for name in ACTIVITIES],
        }
        for worker in figures.workers
    ]
    note = "Sleeping is what was injected. Hide a part to see the others larger."
    return {"title": "What time went to", "parts": ACTIVITIES, "rows": rows, "note": note}


def targets_plots(trace: RunTrace) -> list[Spec]:
    """A plot for each target that the scheduler made use of."""
    rows = trace.targets
    plots = []
    for name, label in TARGETS.items():
        values = rows[name].astype(float)
        finite = values[np.isfinite(values)]
        is_constant_period = name == "check_period_s" and len(np.unique(finite)) < 2
        if len(finite) and not is_constant_period and (finite != IDLE.get(name)).any():
            x = np.append(rows["time_s"], max(trace.end_s, rows["time_s"][-1]))
            line = _series(trace, name, 0, x, np.append(values, values[-1]), 1)
            spec = _plot(f"Targets: {name}", [line], [_axis(label)])
            plots.append(spec | {"as": "steps"})
    return plots


def told_plots(trace: RunTrace) -> list[Spec]:
    """What the synchronization model told of itself, such as its search, a plot a quantity."""
    plots = []
    for path in trace.tables:
        if not path.startswith("ps/") or path in NOT_TOLD or "time_s" not in trace.units(path):
            continue
        rows = trace.rows(path)
        names = rows.dtype.names or ()
        told = [n for n in names if n != "time_s" and rows.dtype[n].kind in "biuf"]
        for title, columns in _together(told).items():
            lines = [
                _series(trace, name, k, rows["time_s"], rows[name], len(columns))
                for k, name in enumerate(columns)
            ]
            plots.append(_plot(f"{path.removeprefix('ps/')}: {title}", lines, [_axis(title)]))
    return plots


def phase_bands(trace: RunTrace) -> list[tuple[float, float, str]]:
    """From, to and name of what the scheduler did but train; short gaps are closed."""
    times_s, phases = trace.targets["time_s"], trace.targets["phase"]
    bands: list[tuple[float, float, str]] = []
    for from_s, to_s, phase in zip(times_s, trace.targets_until_s, phases, strict=True):
        name = phase.decode(errors="replace")
        if name == "train":
            continue
        first_s = float(from_s)
        if bands and bands[-1][2] == name and first_s - bands[-1][1] < trace.end_s / BAND_PLACES:
            first_s = bands.pop()[0]
        bands.append((first_s, float(to_s), name))
    return bands


_EVAL_COLUMNS = {name for name, _, _ in schema.EVALS}


def _together(names: Iterable[str]) -> dict[str, list[str]]:
    """Columns by plot: those that differ only in a number at the end share one."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(re.sub(r"_\d+$", "", name), []).append(name)
    return found


def _axis(label: str) -> Spec:
    return {"name": "y", "label": label}


def _plot(title: str, series: Sequence[Spec], ys: list[Spec], xs: list[Spec] | None = None) -> Spec:
    note = _thinned(series)
    return {"title": title, "series": series, "xs": xs or [TIME], "ys": ys, "note": note}


def _line(trace: RunTrace, worker: int, x: np.ndarray, y: np.ndarray, middle: bool = False) -> Spec:
    return _series(trace, f"worker {worker}", worker, x, y, len(trace.workers), middle)


def _series(
    trace: RunTrace,
    name: str,
    colour: int,
    x: np.ndarray,
    y: np.ndarray,
    lines: int,
    middle: bool = False,
) -> Spec:
    """A line of a plot that has so many `lines`."""
    rows = kept(x, [y], places_for(lines), middle)
    columns = {"time_s": times(x[rows], trace.end_s), "y": numbers(y[rows])}
    return {"name": name, "colour": colour, "columns": columns, "all": len(x), "shown": len(rows)}


def _thinned(series: Sequence[Spec], which: str = "the least and the greatest") -> str:
    """What was left out, in words; nothing where nothing was."""
    shown, everything = (sum(s[key] for s in series) for key in ("shown", "all"))
    if shown == everything:
        return ""
    return f"Thinned to {shown:,} of {everything:,} points: {which} of every column of pixels."
