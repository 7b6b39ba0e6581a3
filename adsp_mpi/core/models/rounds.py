"""Models that go in rounds: local steps, everyone commits, everyone pulls the same model."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Pull, Run, Step, Targets, Wait, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker import WorkerState
from adsp_mpi.options import fixed


@dataclass(frozen=True)
class RoundModel(SyncModel):
    """A worker half whose barrier is two counters of the board.

    A worker may commit round r + 1 only when everyone has pulled round r, and pull round r only
    when everyone has committed it; so no commit of one round can be seen in the model of
    another. Commits count by the worker's share of the batch.
    """

    same_base: ClassVar[bool] = True
    commits_leftovers: ClassVar[bool] = False

    blocking_commits: bool = fixed(True, "commits that do not block would mix the rounds")
    outer: str = fixed("none", "what rank 0 adds would reach some workers a round before others")

    def period(self, local_steps: float, phase: str = "train") -> Run:
        """One check period with this tau."""
        targets = Targets(check_period_s=self.check_period_s, local_steps=local_steps)
        return Run(targets, self.check_period_s, phase)

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        if me.pulls < me.rounds:
            everyone_committed = board.minimum("rounds") >= me.rounds
            return Pull() if everyone_committed else Wait("others' commits")
        if me.steps_since_commit < me.local_steps:
            return Step()
        everyone_pulled = board.minimum("pulls") >= me.rounds
        return Commit(me.batch_share) if everyone_pulled else Wait("others' pulls")
