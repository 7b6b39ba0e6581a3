"""BSP: bulk synchronous parallel training."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Pull, Step, Wait, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker_state import WorkerState


@dataclass(frozen=True)
class Bsp(SyncModel):
    """Every worker does one step, the server averages, all take the same new model.

    Source: Valiant, "A Bridging Model for Parallel Computation", CACM 1990; as a baseline in
    Hu, Wang, Wu, AAAI 2020. With equal batches this is synchronous SGD on the joint batch.

    Two counters of the board make the barrier. A worker may commit round r + 1 only when
    everyone has pulled round r, and pull round r only when everyone has committed it; so no
    commit of one round can be seen in the model of another.
    """

    commits_leftovers: ClassVar[bool] = False

    blocking_commits: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.blocking_commits, "blocking_commits cannot be false: every round waits")

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        if me.pulls < me.commits:
            everyone_committed = board.minimum("commits") >= me.commits
            return Pull() if everyone_committed else Wait("others' commits")
        if me.steps_since_commit < 1:
            return Step()
        everyone_pulled = board.minimum("pulls") >= me.commits
        return Commit() if everyone_pulled else Wait("others' pulls")
