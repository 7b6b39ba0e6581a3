"""The metrics of one run, computed from its trace."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.worker_metrics import WorkerMetrics, worker_metrics
from adsp_mpi.core.stop import time_to_target, time_to_target_authors
from adsp_mpi.core.theory import heterogeneity, momentum_of_staleness
from adsp_mpi.trace import schema

QUIET_SHARE, QUIET_STEPS = 0.1, 5
"""A worker that recorded nothing for this share of the run, and this many of its steps, before
the end is worth a note."""


@dataclass(frozen=True)
class RunMetrics:
    """What a run came to. Shares are of the workers' time, means over the workers.

    What a trace does not tell is None, NaN or "".
    """

    path: str
    engine: str
    model: str
    task: str
    hetero: str
    settings: str
    seed: int
    parameters: int
    reason: str
    seconds: float
    target_loss: float
    time_to_target_s: float | None
    time_to_target_authors_s: float | None
    trial_s: float
    search_s: float
    tried: int
    """Settings that the scheduler tried, in a search or in trials."""

    evaluations: int
    evaluating_share: float
    """Of rank 0's time."""

    last_loss: float
    metrics: dict[str, float]
    """The task's own, at the last evaluation that counts."""

    steps: int
    commits: int
    sent_mb: float
    sent_mb_s: float
    """By a worker, mean over the workers."""

    staleness: float
    max_staleness: int
    momentum_by_theorem: float | None
    momentum_by_staleness: float | None
    measured_h: float | None
    injected_h: float | None
    speed: float
    computing_share: float
    sleeping_share: float
    committing_share: float
    waiting_share: float
    workers: tuple[WorkerMetrics, ...]
    notes: tuple[str, ...]
    """What is wrong with the trace, or what went wrong in the run."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def run_metrics(path: str | Path, target_loss: float | None = None) -> RunMetrics:
    """Metrics of the trace at `path`; the target is the run's own unless given."""
    with RunTrace(path) as trace:
        workers = tuple(worker_metrics(trace, worker) for worker in trace.workers)
        target = trace.setting("stop", "target_loss", 0.0) if target_loss is None else target_loss
        return RunMetrics(
            path=str(path),
            **_setting(trace),
            **_losses(trace, target),
            **_decisions(trace),
            **_over_workers(workers),
            **_staleness(trace, workers),
            workers=workers,
            notes=_notes(trace, workers),
        )


def json_text(value: Any) -> str:
    """`value` as JSON; numbers that are not finite become null."""
    return json.dumps(_finite(value), indent=1)


def phase_seconds(trace: RunTrace) -> dict[str, float]:
    """Seconds that the scheduler spent in each of its phases."""
    seconds: dict[str, float] = {}
    held = trace.targets_until_s - trace.targets["time_s"]
    for phase, held_s in zip(trace.targets["phase"], held, strict=True):
        name = phase.decode()
        seconds[name] = seconds.get(name, 0.0) + float(held_s)
    return seconds


def injected_step_times_h(step_times_s: Sequence[float]) -> float | None:
    """H of injected step times; None where some worker has none."""
    times = np.array(step_times_s)
    return heterogeneity(1 / times) if len(times) and (times > 0).all() else None


def _setting(trace: RunTrace) -> dict[str, Any]:
    settings = {key: value for key, value in trace.config.items() if key != "run"}
    return {
        "engine": trace.said("engine"),
        "model": trace.said("model"),
        "task": trace.said("task"),
        "hetero": trace.setting("hetero", "profile", ""),
        "settings": json.dumps(settings, sort_keys=True),
        "seed": int(trace.said("seed", 0)),
        "parameters": int(trace.said("parameters", 0)),
        "reason": trace.said("reason"),
        "seconds": trace.end_s,
    }


def _losses(trace: RunTrace, target: float) -> dict[str, Any]:
    counted = trace.counted_evals
    losses = list(zip(counted["time_s"].tolist(), counted["loss"].tolist(), strict=True))
    known = {name for name, _, _ in schema.EVALS} | {"loss"}
    own = [name for name in counted.dtype.names or () if name not in known]
    evaluating_s = float(trace.evals["duration_s"].sum())
    return {
        "target_loss": target,
        "time_to_target_s": time_to_target(losses, target) if target else None,
        "time_to_target_authors_s": time_to_target_authors(losses, target) if target else None,
        "evaluations": len(trace.evals),
        "evaluating_share": evaluating_s / trace.end_s if trace.end_s else 0.0,
        "last_loss": losses[-1][1] if losses else math.nan,
        "metrics": {name: float(counted[name][-1]) for name in own if losses},
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


def _over_workers(workers: Sequence[WorkerMetrics]) -> dict[str, Any]:
    speeds = np.array([worker.speed for worker in workers])
    worked = len(speeds) > 0 and bool((speeds > 0).all())
    return {
        "steps": sum(worker.steps for worker in workers),
        "commits": sum(worker.commits for worker in workers),
        "sent_mb": sum(worker.sent_mb for worker in workers),
        "sent_mb_s": _mean([worker.sent_mb_s for worker in workers]),
        "measured_h": heterogeneity(speeds) if worked else None,
        "injected_h": injected_step_times_h([w.injected_step_time_s for w in workers]),
        "speed": _mean(speeds),
        "computing_share": _mean([worker.computing_share for worker in workers]),
        "sleeping_share": _mean([worker.sleeping_share for worker in workers]),
        "committing_share": _mean([worker.committing_share for worker in workers]),
        "waiting_share": _mean([worker.waiting_share for worker in workers]),
    }


def _staleness(trace: RunTrace, workers: Sequence[WorkerMetrics]) -> dict[str, Any]:
    """Over all commits. Workers that pull go in rounds: their commits give no momentum."""
    commits = sum(worker.commits for worker in workers)
    stale = sum((worker.staleness or 0.0) * worker.commits for worker in workers)
    mean = stale / commits if commits else 0.0
    in_rounds = any(trace.num_rows(worker, "pulls") for worker in trace.workers)
    return {
        "staleness": mean,
        "max_staleness": max((worker.max_staleness or 0 for worker in workers), default=0),
        "momentum_by_staleness": momentum_of_staleness(mean) if commits and not in_rounds else None,
    }


def _notes(trace: RunTrace, workers: Sequence[WorkerMetrics]) -> tuple[str, ...]:
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


def _quiet(trace: RunTrace, worker: WorkerMetrics) -> str:
    """A note where a worker's part breaks off before the run does, or ""."""
    last_s = trace.last_s(worker.worker)
    usual_s = max(QUIET_SHARE * trace.end_s, QUIET_STEPS / worker.speed if worker.speed else 0.0)
    quiet = trace.end_s - last_s > usual_s
    return f"nothing is recorded of worker {worker.worker} after {last_s:.1f} s" if quiet else ""


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
