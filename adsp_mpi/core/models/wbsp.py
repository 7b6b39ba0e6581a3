"""WBSP: rounds in which fast workers train on instead of waiting."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Pull, Step, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.rounds import RoundModel
from adsp_mpi.core.worker_state import WorkerState


@dataclass(frozen=True)
class Wbsp(RoundModel):
    """BSP's rounds, but a worker that would have to wait trains on and commits those steps later.

    After WBSP ("Weighted BSP", Parallel Computing 121, 2024): commits and pulls are decoupled, fast
    workers keep training, and all pulls of a round get the same version of the global model, the
    one after the slowest worker's commit. How the paper weights the extra gradients is not public;
    here they are part of the worker's next commit, with weight 1.
    """

    name: ClassVar[str] = "wbsp"

    same_base: ClassVar[bool] = False

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        if me.pulls < me.rounds:
            everyone_committed = board.minimum("rounds") >= me.rounds
            return Pull(keep_local=True) if everyone_committed else Step()
        everyone_pulled = board.minimum("pulls") >= me.rounds
        return Commit() if me.steps_since_commit and everyone_pulled else Step()
