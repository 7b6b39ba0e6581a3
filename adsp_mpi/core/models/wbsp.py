"""WBSP-style: rounds without waiting."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Pull, Step, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.rounds import RoundModel
from adsp_mpi.core.worker import WorkerState


@dataclass(frozen=True)
class Wbsp(RoundModel):
    """The rounds of BSP, but who would wait trains on and brings the extra steps along.

    After the idea of WBSP ("Weighted BSP", Parallel Computing 121, 2024): upload and download
    are decoupled, fast workers keep training, and all pulls of a round see one version of the
    global model, the one after the slowest worker's commit. How that paper weights the extra
    gradients is not public; here they go into the worker's next commit with weight 1.
    """

    same_base: ClassVar[bool] = False

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        if me.pulls < me.rounds:
            everyone_committed = board.minimum("rounds") >= me.rounds
            return Pull(keep_local=True) if everyone_committed else Step()
        everyone_pulled = board.minimum("pulls") >= me.rounds
        return Commit() if me.steps_since_commit and everyone_pulled else Step()
