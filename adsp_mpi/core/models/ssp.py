"""SSP: stale synchronous parallel training."""

from dataclasses import dataclass

from adsp_mpi.core.actions import Commit, Step, Wait, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker import WorkerState
from adsp_mpi.options import option


@dataclass(frozen=True)
class Ssp(SyncModel):
    """A worker commits after each step and is never `staleness` steps or more ahead.

    Source: Ho et al., "More Effective Distributed ML via a Stale Synchronous Parallel Parameter
    Server", NeurIPS 2013. The inequality: a worker begins a step only while
    own steps - smallest steps < staleness, so that no two workers ever differ by more than
    `staleness` steps, at any instant. 1 is lock step; infinity is ASP. The default is that of
    the program of AAAI 2020.
    """

    staleness: int = option(40, "s, steps that a worker is never ahead of the slowest", low=1)

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        if me.steps_since_commit and not me.in_flight:
            return Commit()
        if me.steps - board.minimum("steps") >= self.staleness:
            return Wait("the slowest worker")
        return Step()
