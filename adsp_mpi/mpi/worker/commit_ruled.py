"""Commits under a rule that is not a sum, which the server applies."""

from typing import Callable

from mpi4py import MPI

from adsp_mpi.core.worker import Worker
from adsp_mpi.learn.replica import Replica
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.transport.ruled import RuledArray
from adsp_mpi.mpi.worker.commit import CommitPath


class RuledCommits(CommitPath):
    """A commit path that sends trained parameters to the rule; buffers are summed or averaged."""

    def __init__(
        self,
        model: RuledArray,
        board: WorkerBoard,
        worker: Worker,
        replica: Replica,
        now: Callable[[], float],
        buffer_share: float,
    ) -> None:
        super().__init__(model, board, worker, replica, now, buffer_share)
        self._ruled = model
        self._trained = slice(0, model.num_trained)
        self._summed = slice(model.num_trained, replica.num_rebased)

    def _add_taken(self) -> list[MPI.Request]:
        update, answer = self._replica.update, self._replica.answer
        trained, summed = self._trained, self._summed
        sent = self._ruled.commit(update[trained], answer[trained], self._worker.landed_at_base)
        return sent + self._model.add(update[summed], answer[summed], summed.start)

    def _land(self) -> None:
        self._replica.answer[self._summed] += self._replica.update[self._summed]
        self._replica.replace(keep_local=True)
