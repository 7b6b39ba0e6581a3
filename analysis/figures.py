"""The figures of one run, computed from its trace."""

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adsp_mpi.core.stop import time_to_target, time_to_target_authors
from adsp_mpi.core.theory import heterogeneity
from adsp_mpi.trace import Trace


@dataclass(frozen=True)
class RunFigures:
    """What a run came to. Shares are of the workers' time, means over the workers."""

    path: str
    engine: str
    model: str
    task: str
    hetero: str
    settings: str
    seed: int
    target_loss: float
    time_to_target_s: float | None
    time_to_target_authors_s: float | None
    trial_s: float
    last_loss: float
    steps: int
    commits: int
    sent_mb: float
    staleness: float
    measured_h: float | None
    computing_share: float
    committing_share: float
    waiting_share: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def run_figures(path: str | Path, target_loss: float | None = None) -> RunFigures:
    """Figures of the trace at `path`; the target is the run's own unless given."""
    with Trace(path) as trace:
        meta = trace.meta
        config = tomllib.loads(meta["config"])
        target = config["stop"]["target_loss"] if target_loss is None else target_loss
        evals = trace.table("ps/evals")
        counted = evals[evals["trial"] == 0]
        losses = list(zip(counted["time_s"], counted["loss"], strict=True))
        workers = [_worker_seconds(trace, w) for w in trace.workers]
        commits = [trace.table(f"workers/{w}/commits") for w in trace.workers]
        shares = np.array([w[:3] for w in workers])
        shares = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        speeds = np.array([w[3] for w in workers])
        staleness = np.concatenate([c["staleness"] for c in commits])
        return RunFigures(
            path=str(path),
            engine=str(meta["engine"]),
            model=str(meta["model"]),
            task=str(meta["task"]),
            hetero=config["hetero"]["profile"],
            settings=json.dumps({k: v for k, v in config.items() if k != "run"}, sort_keys=True),
            seed=int(meta["seed"]),
            target_loss=target,
            time_to_target_s=_float(time_to_target(losses, target)),
            time_to_target_authors_s=_float(time_to_target_authors(losses, target)),
            trial_s=trial_seconds(trace),
            last_loss=float(counted["loss"][-1]) if len(counted) else float("nan"),
            steps=sum(len(trace.table(f"workers/{w}/steps")) for w in trace.workers),
            commits=sum(len(c) for c in commits),
            sent_mb=sum(float(c["sent_bytes"].sum()) for c in commits) / 1e6,
            staleness=float(staleness.mean()) if len(staleness) else 0.0,
            measured_h=heterogeneity(speeds) if (speeds > 0).all() else None,
            computing_share=float(shares[0]),
            committing_share=float(shares[1]),
            waiting_share=float(shares[2]),
        )


def trial_seconds(trace: Trace) -> float:
    """Seconds in which the scheduler tried settings whose losses do not count."""
    targets = trace.table("ps/targets")
    ends = np.append(targets["time_s"][1:], trace.meta.get("end_s", np.nan))
    return float(np.nansum((ends - targets["time_s"])[targets["phase"] == b"trial"]))


def _worker_seconds(trace: Trace, worker: int) -> tuple[float, float, float, float]:
    """Seconds of training, committing and waiting of one worker, and its steps per second."""
    steps = trace.table(f"workers/{worker}/steps")
    training = float(steps["compute_s"].sum() + steps["sleep_s"].sum())
    committing = float(trace.table(f"workers/{worker}/commits")["blocked_s"].sum())
    committing += float(trace.table(f"workers/{worker}/pulls")["duration_s"].sum())
    waiting = float(trace.table(f"workers/{worker}/waits")["duration_s"].sum())
    return training or 1e-9, committing, waiting, len(steps) / training if training else 0.0


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
