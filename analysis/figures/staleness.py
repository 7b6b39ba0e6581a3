"""The lag of commits: over time, as a histogram, and by worker or by run."""

from typing import Sequence

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, Panels, Runs, require
from adsp_mpi.analysis.series.panel import Axis, Boxes, Level, Line, Mark, Panel, Sticks, time_axis
from adsp_mpi.analysis.series.runs import phase_spans, worker_paints

LAG = Axis("lag", "commits of others", whole=True, includes=(0.0, 1.0))
MAX_BARS = 40
"""The largest number of bars of the histogram."""

BOX_WIDTH = 0.5


def of_run(trace: RunTrace) -> Panels:
    rows = _commits(trace)
    per_worker = [of_worker["staleness"] for of_worker in rows]
    dots = [
        Line(f"worker {paint.worker}", of_worker["done_s"], of_worker["staleness"], paint, "dots")
        for paint, of_worker in zip(worker_paints(trace), rows, strict=True)
    ]
    workers = tuple(str(worker) for worker in trace.workers)
    in_turn = Level(len(workers) - 1, f"M - 1 = {len(workers) - 1}: commits in turn")
    times, spans = (time_axis(trace.end_s),), phase_spans(trace)
    return [
        Panel(times, (LAG,), tuple(dots), "over time", spans=spans),
        _histogram(np.concatenate(per_worker)),
        _ranges(per_worker, workers, "worker", (in_turn,)),
    ]


def of_runs(runs: Runs) -> Panels:
    per_run = [
        np.concatenate([of_worker["staleness"] for of_worker in _commits(trace)])
        for trace in runs.values()
    ]
    return [_ranges(per_run, tuple(runs), "run")]


def _commits(trace: RunTrace) -> list[np.ndarray]:
    """The landing times and lags of each worker's commits."""
    rows = [trace.worker_rows(w, "commits", ("done_s", "staleness")) for w in trace.workers]
    require(any(len(of_worker) for of_worker in rows), trace, "no commit was recorded")
    return rows


def _histogram(lags: np.ndarray) -> Panel:
    """The histogram as shares of all commits: one bar per value, or per several if many."""
    width = int(lags.max()) // MAX_BARS + 1
    edges = np.arange(0, int(lags.max()) + width + 1, width) - 0.5
    counts, _ = np.histogram(lags, edges)
    share = Axis("share of all commits", "%", includes=(0.0,))
    bars = Boxes(share.label, edges[:-1], edges[1:], 0.0, 100 * counts / len(lags))
    x = Axis(LAG.label, LAG.unit, name="lag", whole=True)
    return Panel((x,), (share,), (bars,), "histogram")


def _ranges(
    groups: Sequence[np.ndarray], labels: tuple[str, ...], of: str, levels: tuple[Level, ...] = ()
) -> Panel:
    """The range, middle half and mean of each group that is not empty."""
    at = np.array([x for x, values in enumerate(groups) if len(values)])
    shown = [values for values in groups if len(values)]
    low, quarter, high_quarter, high = (
        np.array([np.percentile(values, share) for values in shown]) for share in (0, 25, 75, 100)
    )
    left, right = at - BOX_WIDTH / 2, at + BOX_WIDTH / 2
    marks: tuple[Mark, ...] = (
        Sticks("all commits", at, low, high),
        Boxes("the middle half", left, right, quarter, high_quarter),
        Line("mean", at, np.array([values.mean() for values in shown]), "black", "dots"),
    )
    x = Axis(of, name=of, labels=labels, span=(-0.5, len(groups) - 0.5))
    y = Axis(LAG.label, LAG.unit, whole=True, includes=(0.0, 1.0), levels=levels)
    return Panel((x,), (y,), marks, f"by {of}")


FIGURE = Figure("Lag", of_run=of_run, of_runs=of_runs)
