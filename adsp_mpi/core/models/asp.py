"""ASP: asynchronous parallel training."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Step, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker_state import WorkerState
from adsp_mpi.options import option


@dataclass(frozen=True)
class Asp(SyncModel):
    """A worker commits after every `local_steps` of its own steps and never waits.

    Source: Recht et al., "Hogwild!", NeurIPS 2011, and Dean et al., "Large Scale Distributed
    Deep Networks", NeurIPS 2012; with one local step a baseline in AAAI 2020.
    """

    name: ClassVar[str] = "asp"

    sees_others: ClassVar[bool] = False

    local_steps: int = option(1, "tau, steps between two commits", low=1)

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        due = me.steps_since_commit >= self.local_steps
        return Commit() if due and not me.in_flight else Step()
