"""The metrics of one worker, computed from its tables."""

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.speed import steps_per_second
from adsp_mpi.core.report import WorkerReport

ACTIVITIES = ("computing", "sleeping", "committing", "waiting")
"""The activities of a worker. Commits and pulls count only while they keep it from training;
sleeping is injected."""


def worker_metrics(trace: RunTrace, worker: int) -> WorkerReport:
    """The metrics of `worker`; shares are of its own time."""
    seconds = activity_seconds(trace, worker)
    training_s, all_s = float(seconds[:2].sum()), float(seconds.sum())
    shares = seconds / all_s if all_s else np.zeros(len(ACTIVITIES))
    steps = trace.num_rows(worker, "steps")
    last_step = trace.last_row(worker, "steps")
    commits = trace.worker_rows(worker, "commits", ("staleness", "sent_bytes"))
    staleness = commits["staleness"]
    meta = trace.worker_meta(worker)
    sent_mb = float(commits["sent_bytes"].sum()) / 1e6
    return WorkerReport(
        worker=worker,
        host=str(meta.get("host", "")),
        steps=steps,
        commits=len(commits),
        speed=float(np.nan_to_num(steps_per_second(steps, training_s))),
        injected_step_time_s=float(meta.get("step_time_s", 0.0)),
        **{f"{name}_share": float(x) for name, x in zip(ACTIVITIES, shares, strict=True)},
        staleness=float(staleness.mean()) if len(staleness) else None,
        max_staleness=int(staleness.max()) if len(staleness) else None,
        sent_mb=sent_mb,
        sent_mb_s=sent_mb / trace.end_s if trace.end_s else 0.0,
        batch_size=int(last_step["batch_size"][0]) if steps else 0,
    )


def activity_seconds(trace: RunTrace, worker: int) -> np.ndarray:
    """The seconds that `worker` spent on each of `ACTIVITIES`, [4]."""
    steps = trace.worker_rows(worker, "steps", ("compute_s", "sleep_s"))
    blocked_s = trace.worker_rows(worker, "commits", ("blocked_s",))["blocked_s"]
    pulling_s = trace.worker_rows(worker, "pulls", ("duration_s",))["duration_s"]
    waiting_s = trace.worker_rows(worker, "waits", ("duration_s",))["duration_s"]
    seconds = (
        steps["compute_s"].sum(),
        steps["sleep_s"].sum(),
        blocked_s.sum(dtype=float) + pulling_s.sum(dtype=float),
        waiting_s.sum(dtype=float),
    )
    return np.array(seconds, dtype=float)
