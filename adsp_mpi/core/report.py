"""The report of a run: its numbers, from the board when it ends or from its trace later."""

import json
import tomllib
from dataclasses import asdict, dataclass, field
from typing import Any, Mapping, Sequence

import numpy as np

from adsp_mpi.core.board import Board
from adsp_mpi.core.progress import Progress
from adsp_mpi.core.speedup import speedup_limit
from adsp_mpi.core.stop import time_to_target, time_to_target_authors
from adsp_mpi.core.theory import heterogeneity


@dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """One worker's numbers. Shares are of its time computing, sleeping, committing and waiting.

    Sleeping injects a slower speed. Committing counts only while a commit or a pull keeps the
    worker from training. The shares are 0 if it spent no time on any of these.
    """

    worker: int
    host: str = ""
    steps: int = 0
    commits: int = 0
    speed: float = 0.0
    """Steps per second of computing and sleeping."""

    injected_step_time_s: float = 0.0
    """The injected step time at the start of the run, seconds; 0: none."""

    computing_share: float = 0.0
    sleeping_share: float = 0.0
    committing_share: float = 0.0
    waiting_share: float = 0.0
    staleness: float | None = None
    """The mean lag: the number of others' commits between a commit's base and itself."""

    max_staleness: int | None = None
    """The largest lag; known only from a trace."""

    sent_mb: float = 0.0
    sent_mb_s: float = 0.0
    batch_size: int = 0
    """The batch size at the end of the run; 0: the worker never took a step."""

    late_share: float | None = None
    """The share of steps longer than the injected step time; known only from the board."""

    @property
    def samples_per_s(self) -> float:
        """Samples per second of computing and sleeping, by its batch size at the end."""
        return self.speed * self.batch_size


@dataclass(frozen=True, kw_only=True)
class Report:
    """A whole run: its settings, its numbers and its workers.

    Shares and speed are means over the workers; steps, commits and MB are sums. An unknown number
    is None, an unknown text "".
    """

    path: str = ""
    """The trace from which the report was computed."""

    engine: str = ""
    model: str = ""
    task: str = ""
    hetero: str = ""
    settings: str = ""
    """The settings by section as JSON, without [run]."""

    seed: int = 0
    parameters: int = 0
    reason: str = ""
    seconds: float = 0.0
    target_loss: float = 0.0
    time_to_target_s: float | None = None
    time_to_target_authors_s: float | None = None
    trial_s: float = 0.0
    """The seconds spent on trials."""

    search_s: float | None = None
    tried: int | None = None
    """The number of settings that the scheduler tried, in a search or in trials."""

    evaluations: int | None = None
    evaluating_share: float | None = None
    """The share of rank 0's time spent on evaluations."""

    last_loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The loss and the task's own metrics at the last evaluation outside of trials."""

    momentum_by_theorem: float | None = None
    momentum_by_staleness: float | None = None
    num_workers: int = 0
    steps: int = 0
    commits: int = 0
    sent_mb: float = 0.0
    sent_mb_s: float = 0.0
    """MB/s that a worker sends, mean over the workers."""

    staleness: float = 0.0
    """The mean lag of all commits."""

    max_staleness: int | None = None
    measured_h: float | None = None
    """H of the speeds of all workers that took a step."""

    injected_h: float | None = None
    speed: float = 0.0
    speedup_limit: float | None = None
    """All workers' samples per second over those of the fastest worker while it trains."""

    fastest: int | None = None
    """The worker with the most samples per second."""

    computing_share: float = 0.0
    sleeping_share: float = 0.0
    committing_share: float = 0.0
    waiting_share: float = 0.0
    workers: Sequence[WorkerReport] = ()
    notes: Sequence[str] = ()
    """Notes on what is wrong with the trace or went wrong in the run."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def make_report(
    attributes: Mapping[str, Any],
    workers: Sequence[WorkerReport],
    losses: Sequence[tuple[float, float]],
    target_loss: float,
    seconds: float,
    **known: Any,
) -> Report:
    """Make the report of a run.

    `attributes` are those of the trace's root, `losses` (seconds, loss) of the evaluations outside
    of trials, `seconds` the time of the run, `known` further fields of `Report`.
    """
    samples = [float(worker.steps * worker.batch_size) for worker in workers]
    rates = [worker.samples_per_s for worker in workers]
    return Report(
        **_what_was_run(attributes),
        **_over(workers),
        workers=tuple(workers),
        seconds=seconds,
        speedup_limit=speedup_limit(samples, rates, seconds),
        fastest=max(workers, key=lambda w: w.samples_per_s).worker if any(rates) else None,
        target_loss=target_loss,
        time_to_target_s=time_to_target(losses, target_loss) if target_loss else None,
        time_to_target_authors_s=(
            time_to_target_authors(losses, target_loss) if target_loss else None
        ),
        last_loss=losses[-1][1] if losses else None,
        **known,
    )


def board_report(
    attributes: Mapping[str, Any],
    board: Board,
    progress: Progress,
    reason: str,
    seconds: float,
    target_loss: float,
    step_times_s: Sequence[float],
) -> Report:
    """The report of a run that lasted `seconds`, from its board and its progress.

    `step_times_s` are the injected step times by worker; 0: none.
    """
    return make_report(
        attributes,
        worker_reports(board, seconds, step_times_s),
        progress.evaluations,
        target_loss,
        seconds,
        reason=reason,
        metrics=dict(progress.metrics),
        trial_s=progress.trials_until(seconds),
    )


def worker_reports(
    board: Board, seconds: float, step_times_s: Sequence[float] = ()
) -> tuple[WorkerReport, ...]:
    """The report of every worker, from its row of the board `seconds` after the run's start."""
    return tuple(
        _of_row(
            {name: float(board.column(name)[worker]) for name in _COLUMNS},
            worker=worker,
            seconds=seconds,
            injected_step_time_s=step_times_s[worker] if worker < len(step_times_s) else 0.0,
        )
        for worker in range(board.num_workers)
    )


_COLUMNS = (
    "steps",
    "excused_steps",
    "commits",
    "excused_commits",
    "compute_s",
    "sleep_s",
    "commit_s",
    "wait_s",
    "sent_mb",
    "staleness",
    "batch_size",
    "late_steps",
)


def _of_row(
    row: Mapping[str, float], worker: int, seconds: float, injected_step_time_s: float
) -> WorkerReport:
    steps = row["steps"] - row["excused_steps"]
    commits = row["commits"] - row["excused_commits"]
    training_s = row["compute_s"] + row["sleep_s"]
    total_s = training_s + row["commit_s"] + row["wait_s"] or 1.0
    return WorkerReport(
        worker=worker,
        steps=int(steps),
        commits=int(commits),
        speed=steps / training_s if training_s else 0.0,
        injected_step_time_s=injected_step_time_s,
        computing_share=row["compute_s"] / total_s,
        sleeping_share=row["sleep_s"] / total_s,
        committing_share=row["commit_s"] / total_s,
        waiting_share=row["wait_s"] / total_s,
        staleness=row["staleness"] / commits if commits > 0 else None,
        sent_mb=row["sent_mb"],
        sent_mb_s=row["sent_mb"] / seconds if seconds else 0.0,
        batch_size=int(row["batch_size"]),
        late_share=row["late_steps"] / max(steps, 1.0),
    )


def injected_step_times_h(step_times_s: Sequence[float]) -> float | None:
    """H of the injected step times; None if some worker has none."""
    times = np.array(step_times_s)
    return heterogeneity(1 / times) if len(times) and (times > 0).all() else None


def _what_was_run(attributes: Mapping[str, Any]) -> dict[str, Any]:
    config = tomllib.loads(str(attributes.get("config", "")))
    settings = {section: values for section, values in config.items() if section != "run"}
    return {
        "engine": str(attributes.get("engine", "")),
        "model": str(attributes.get("model", "")),
        "task": str(attributes.get("task", "")),
        "hetero": config.get("hetero", {}).get("profile", ""),
        "settings": json.dumps(settings, sort_keys=True),
        "seed": int(attributes.get("seed", 0)),
        "parameters": int(attributes.get("parameters", 0)),
    }


def _over(workers: Sequence[WorkerReport]) -> dict[str, Any]:
    """The fields of `Report` that are sums or means over the workers."""
    commits = sum(worker.commits for worker in workers)
    stale = sum((worker.staleness or 0.0) * worker.commits for worker in workers)
    largest = [w.max_staleness for w in workers if w.max_staleness is not None]
    speeds = [worker.speed for worker in workers if worker.steps]
    shares = ("computing_share", "sleeping_share", "committing_share", "waiting_share")
    means = ("speed", "sent_mb_s", *shares)
    return {
        "num_workers": len(workers),
        "steps": sum(worker.steps for worker in workers),
        "commits": commits,
        "sent_mb": sum(worker.sent_mb for worker in workers),
        "staleness": stale / commits if commits else 0.0,
        "max_staleness": max(largest, default=None),
        "measured_h": heterogeneity(np.array(speeds)) if speeds else None,
        "injected_h": injected_step_times_h([w.injected_step_time_s for w in workers]),
        **{name: _mean([getattr(worker, name) for worker in workers]) for name in means},
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
