"""Commits at set times: the worker half of ADSP and its variants."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Run, Step, Targets, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker_state import WorkerState


@dataclass(frozen=True)
class TimedCommits(SyncModel):
    """Workers never wait, and commit often enough to reach the common commit target.

    Source: Hu, Wang, Wu, "Distributed Machine Learning through Heterogeneous Edge Systems",
    AAAI 2020 (arXiv 1911.06949), section 3 and Algorithm 2.

    Worker i has dC_i commits due in a check period of Gamma seconds. The j-th of them is to be done
    j Gamma / dC_i after the start of the period, so it begins O_i earlier, where O_i is how long
    the last commit took. This is the paper's timer, Gamma / dC_i - O_i after the end of the last
    commit, except that delays do not add up: C_target is reached within the period. The timer is
    checked between steps, and no step is cut short: a commit that would be late after the next step
    begins before it. No commit begins while another is in flight. A worker that has reached
    C_target commits no more in that period, so all commit counts stay within one period's commits.
    """

    sees_others: ClassVar[bool] = False

    @property
    def commit_interval_floor_s(self) -> float:
        """The shortest time between the beginnings of two commits of a worker; 0: none."""
        return 0.0

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        targets = me.targets
        if me.in_flight or not me.steps_since_commit or me.begun >= targets.commit_target:
            return Step()
        if now - me.last_commit_begun_s < self.commit_interval_floor_s:
            return Step()
        number = me.commits_due - (targets.commit_target - me.begun) + 1
        done_by_s = targets.since_s + number * targets.check_period_s / me.commits_due
        return Commit() if now + me.step_s + me.commit_s >= done_by_s else Step()

    def period(self, target: float, rate: float, phase: str = "train") -> Run:
        """One check period with commit target `target`, which is `rate` above the last one."""
        return Run(Targets(target, rate, self.check_period_s), self.check_period_s, phase)
