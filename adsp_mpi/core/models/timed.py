"""Commits by the clock: the worker half of ADSP and its relatives."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Run, Step, Targets, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker_state import WorkerState


@dataclass(frozen=True)
class TimedCommits(SyncModel):
    """Workers never wait and commit often enough to reach the common commit target.

    Source: Hu, Wang, Wu, "Distributed Machine Learning through Heterogeneous Edge Systems",
    AAAI 2020 (arXiv 1911.06949), section 3 and Algorithm 2.

    Worker i commits every Gamma / dC_i seconds, counted from the moment its last commit began:
    where commits block, that is the paper's timer of Gamma / dC_i - O_i from the end of the
    last one. The timer is looked at after each step, a step is never cut, and no second commit
    begins while one is in flight. A worker that has reached C_target commits no more in that
    check period, so the commit counts of all stay within one period's commits.
    """

    sees_others: ClassVar[bool] = False

    min_commit_interval_s: float = 0.0
    """Floor under the commit timer; 0: none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.min_commit_interval_s >= 0, "min_commit_interval_s must be at least 0")

    @property
    def commit_interval_floor_s(self) -> float:
        return self.min_commit_interval_s

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        if me.in_flight or not me.steps_since_commit or me.begun >= me.targets.commit_target:
            return Step()
        interval_s = max(me.targets.check_period_s / me.commits_due, self.commit_interval_floor_s)
        return Commit() if now - me.last_commit_begun_s >= interval_s else Step()

    def period(self, target: float, rate: float, phase: str = "train") -> Run:
        """One check period in which the commit target is `target`, `rate` above the last one."""
        return Run(Targets(target, rate, self.check_period_s), self.check_period_s, phase)
