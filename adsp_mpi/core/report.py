"""The report of a run: the numbers of its last table, from the board and the evaluations."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from adsp_mpi.core.board import Board
from adsp_mpi.core.steering import Progress
from adsp_mpi.core.stop import time_to_target, time_to_target_authors
from adsp_mpi.core.theory import heterogeneity


@dataclass(frozen=True)
class WorkerReport:
    """One worker's part in a run. Shares are of its time computing, sleeping, committing, waiting.

    It sleeps where a slower speed than its own is injected.
    """

    worker: int
    steps: int
    commits: int
    speed: float  # steps per second of computing and sleeping
    computing_share: float
    committing_share: float
    waiting_share: float
    sent_mb: float
    staleness: float  # mean number of others' commits between a commit's base and itself
    batch_size: int  # at the end
    late_share: float  # share of the steps that took longer than the injected step time


@dataclass(frozen=True)
class Report:
    """A whole run."""

    reason: str
    seconds: float
    metrics: dict[str, float]
    time_to_target_s: float | None
    time_to_target_authors_s: float | None
    trial_s: float  # seconds spent on trials
    measured_h: float | None
    injected_h: float | None
    traffic_mb_s: float  # sent by a worker, on average
    workers: tuple[WorkerReport, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def worker_reports(board: Board) -> tuple[WorkerReport, ...]:
    """A report of every worker, from its row of the board."""
    reports = []
    for i in range(board.num_workers):
        row = {name: float(board.column(name)[i]) for name in _COLUMNS}
        row["steps"] -= float(board.column("excused_steps")[i])
        row["commits"] -= float(board.column("excused_commits")[i])
        training_s = row["compute_s"] + row["sleep_s"]
        total_s = training_s + row["commit_s"] + row["wait_s"] or 1.0
        reports.append(
            WorkerReport(
                worker=i,
                steps=int(row["steps"]),
                commits=int(row["commits"]),
                speed=row["steps"] / training_s if training_s else 0.0,
                computing_share=training_s / total_s,
                committing_share=row["commit_s"] / total_s,
                waiting_share=row["wait_s"] / total_s,
                sent_mb=row["sent_mb"],
                staleness=row["staleness"] / max(row["commits"], 1.0),
                batch_size=int(row["batch_size"]),
                late_share=row["late_steps"] / max(row["steps"], 1.0),
            )
        )
    return tuple(reports)


_COLUMNS = (
    "steps",
    "commits",
    "compute_s",
    "sleep_s",
    "commit_s",
    "wait_s",
    "sent_mb",
    "staleness",
    "batch_size",
    "late_steps",
)


def make_report(
    reason: str,
    seconds: float,
    board: Board,
    progress: Progress,
    target_loss: float,
    injected_h: float | None,
) -> Report:
    """The report of a run that took `seconds` and made this `progress`."""
    evaluations = progress.evaluations
    workers = worker_reports(board)
    speeds = [w.speed for w in workers if w.steps]
    return Report(
        reason=reason,
        seconds=seconds,
        metrics=progress.metrics,
        time_to_target_s=time_to_target(evaluations, target_loss) if target_loss else None,
        time_to_target_authors_s=(
            time_to_target_authors(evaluations, target_loss) if target_loss else None
        ),
        trial_s=progress.trial_s,
        measured_h=heterogeneity(np.array(speeds)) if speeds else None,
        injected_h=injected_h,
        traffic_mb_s=sum(w.sent_mb for w in workers) / len(workers) / seconds,
        workers=workers,
    )
