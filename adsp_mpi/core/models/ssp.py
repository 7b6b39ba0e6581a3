"""SSP: stale synchronous parallel training."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Step, Wait, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker_state import WorkerState
from adsp_mpi.options import option


@dataclass(frozen=True)
class Ssp(SyncModel):
    """A worker commits after each step and waits while it is `staleness` steps ahead.

    Source: Ho et al., "More Effective Distributed ML via a Stale Synchronous Parallel Parameter
    Server", NeurIPS 2013. A worker begins a step only while its step count minus the smallest
    step count is below `staleness`; so at no moment do two workers differ by more than `staleness`
    steps. A staleness of 1 is lock step, an infinite one is ASP. The default, 40, is taken from the
    authors' program for AAAI 2020.
    """

    name: ClassVar[str] = "ssp"

    staleness: int = option(40, "s, a worker this many steps ahead of the slowest waits", low=1)

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        if me.steps_since_commit and not me.in_flight:
            return Commit()
        if me.steps - board.minimum("steps") >= self.staleness:
            return Wait("the slowest worker")
        return Step()
