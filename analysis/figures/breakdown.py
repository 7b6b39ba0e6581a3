"""Where the workers' time went: stacked shares, one bar per worker, or per run for several."""

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, Panels, Runs, require
from adsp_mpi.analysis.series.panel import Bars
from adsp_mpi.analysis.worker_metrics import ACTIVITIES, activity_seconds

PAINTS = {"computing": "blue", "sleeping": "sky", "committing": "orange", "waiting": "vermillion"}
WORDS = {"sleeping": "injected sleep"}


def of_run(trace: RunTrace) -> Panels:
    names = tuple(str(worker) for worker in trace.workers)
    hosts = [trace.worker_meta(worker).get("host", "") for worker in trace.workers]
    details = [
        f"worker {name} on {host}" if host else f"worker {name}"
        for name, host in zip(names, hosts, strict=True)
    ]
    return [_bars(names, "worker", _shares(trace), "share of the worker's time", tuple(details))]


def of_runs(runs: Runs) -> Panels:
    shares = np.array([_shares(trace).mean(axis=0) for trace in runs.values()])
    return [_bars(tuple(runs), "", shares, "share of the workers' time")]


def _bars(
    rows: tuple[str, ...],
    row_label: str,
    shares: np.ndarray,
    share_label: str,
    details: tuple[str, ...] = (),
) -> Bars:
    parts = tuple(WORDS.get(name, name) for name in ACTIVITIES)
    paints = tuple(PAINTS[name] for name in ACTIVITIES)
    return Bars(rows, row_label, parts, paints, shares, share_label, details)


def _shares(trace: RunTrace) -> np.ndarray:
    """The shares of the workers' time, [workers, activities]; 0 if a worker recorded nothing."""
    seconds = np.array([activity_seconds(trace, worker) for worker in trace.workers])
    require(seconds.size > 0 and bool(seconds.any()), trace, "no worker recorded anything")
    shares: np.ndarray = seconds / np.maximum(seconds.sum(axis=1, keepdims=True), 1e-12)
    return shares


FIGURE = Figure("What time went to", of_run=of_run, of_runs=of_runs)
