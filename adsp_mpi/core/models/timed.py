"""Commits by the clock: the worker half of ADSP and its relatives."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Run, Step, Targets, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker import WorkerState
from adsp_mpi.options import option


@dataclass(frozen=True)
class TimedCommits(SyncModel):
    """Workers never wait and commit often enough to reach the common commit target.

    Source: Hu, Wang, Wu, "Distributed Machine Learning through Heterogeneous Edge Systems",
    AAAI 2020 (arXiv 1911.06949), section 3 and Algorithm 2.

    The j-th of the dC_i commits that worker i owes in a check period shall be done j Gamma / dC_i
    after the period began: it begins O_i, the time that the last one took, before that. One
    after the other that is the paper's timer of Gamma / dC_i - O_i from the end of the last
    commit, but held to the period, so that C_target is reached by the check it is meant for. The
    timer is looked at between steps and a step is never cut: a commit that the next step would
    make late begins before it. No second commit begins while one is in flight. A worker that has
    reached C_target commits no more in that check period, so the commit counts of all stay
    within one period's commits.
    """

    sees_others: ClassVar[bool] = False

    min_commit_interval_s: float = option(0.0, "floor under the commit timer; 0: none", low=0)

    @property
    def commit_interval_floor_s(self) -> float:
        return self.min_commit_interval_s

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
        """One check period in which the commit target is `target`, `rate` above the last one."""
        return Run(Targets(target, rate, self.check_period_s), self.check_period_s, phase)
