"""The metrics of one run, computed from its trace."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.worker_metrics import worker_metrics
from adsp_mpi.core.report import Report, WorkerReport, make_report
from adsp_mpi.core.theory import momentum_of_lag
from adsp_mpi.trace import schema

QUIET_SHARE, QUIET_STEPS = 0.1, 5
"""A note names a worker that recorded nothing for the last part of the run: for more than this
share of it, and for more than the time of this many of its steps."""


def run_metrics(path: str | Path, target_loss: float | None = None) -> Report:
    """The report of the run with the trace at `path`; the default target is the run's own."""
    with RunTrace(path) as trace:
        workers = tuple(worker_metrics(trace, worker) for worker in trace.workers)
        target = trace.setting("stop", "target_loss", 0.0) if target_loss is None else target_loss
        report = make_report(
            trace.attributes,
            workers,
            _losses(trace),
            target,
            trace.end_s,
            path=str(path),
            reason=trace.said("reason"),
            **_evaluations(trace),
            **_decisions(trace),
            notes=_notes(trace, workers),
        )
        in_rounds = any(trace.num_rows(worker, "pulls") for worker in trace.workers)
    if in_rounds or not report.commits:  # no implicit momentum where workers pull
        return report
    return replace(report, momentum_by_staleness=momentum_of_lag(report.staleness))


def json_text(value: Any) -> str:
    """`value` as JSON; numbers that are not finite become null."""
    return json.dumps(_finite(value), indent=1)


def phase_seconds(trace: RunTrace) -> dict[str, float]:
    """The seconds that the scheduler spent in each phase."""
    seconds: dict[str, float] = {}
    held = trace.targets_until_s - trace.targets["time_s"]
    for phase, held_s in zip(trace.targets["phase"], held, strict=True):
        name = phase.decode()
        seconds[name] = seconds.get(name, 0.0) + float(held_s)
    return seconds


def _losses(trace: RunTrace) -> list[tuple[float, float]]:
    """(seconds, loss) of the evaluations outside of trials."""
    counted = trace.counted_evals
    return list(zip(counted["time_s"].tolist(), counted["loss"].tolist(), strict=True))


def _evaluations(trace: RunTrace) -> dict[str, Any]:
    counted = trace.counted_evals
    known = {name for name, _, _ in schema.EVALS}
    own = [name for name in counted.dtype.names or () if name not in known]
    evaluating_s = float(trace.evals["duration_s"].sum())
    return {
        "evaluations": len(trace.evals),
        "evaluating_share": evaluating_s / trace.end_s if trace.end_s else 0.0,
        "metrics": {name: float(counted[name][-1]) for name in own if len(counted)},
    }


def _decisions(trace: RunTrace) -> dict[str, Any]:
    phases = phase_seconds(trace)
    held_s = trace.targets_until_s - trace.targets["time_s"]
    momentum = trace.targets["implicit_momentum"]
    known = np.isfinite(momentum)
    known_s = float(held_s[known].sum())
    return {
        "trial_s": phases.get("trial", 0.0),
        "search_s": phases.get("search", 0.0),
        "tried": len(trace.rows("ps/search")) + len(trace.rows("ps/trials")),
        "momentum_by_theorem": (
            float((momentum * held_s)[known].sum() / known_s) if known_s else None
        ),
    }


def _notes(trace: RunTrace, workers: Sequence[WorkerReport]) -> tuple[str, ...]:
    notes = [f"left out of the trace: {text}" for text in [trace.said("left_out")] if text]
    if not trace.config:
        notes.append("rank 0 recorded no settings; losses and targets may be missing too")
    elif not trace.ended:
        notes.append(f"the run did not end in order; it is known until {trace.end_s:.1f} s")
    absent = int(trace.said("num_workers", 0)) - len(trace.workers)
    if absent > 0:
        notes.append(f"{absent} of the workers are not in the trace")
    if not trace.setting("stop", "max_steps", 0):
        notes += [text for worker in workers if (text := _quiet(trace, worker))]
    for event in trace.events:
        if event.kind != "end":
            last_line = (event.text.strip().splitlines() or [""])[-1]
            notes.append(f"{event.kind} on rank {event.rank} at {event.time_s:.1f} s: {last_line}")
    return tuple(notes)


def _quiet(trace: RunTrace, worker: WorkerReport) -> str:
    """A note if a worker's part breaks off before the run ends, else ""."""
    last_s = trace.last_s(worker.worker)
    usual_s = max(QUIET_SHARE * trace.end_s, QUIET_STEPS / worker.speed if worker.speed else 0.0)
    quiet = trace.end_s - last_s > usual_s
    return f"nothing is recorded of worker {worker.worker} after {last_s:.1f} s" if quiet else ""


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
