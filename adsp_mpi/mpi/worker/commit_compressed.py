"""Compressed commits: the worker encodes its update, and decodes rank 0's answer."""

from typing import Any, Callable

import numpy as np
from mpi4py import MPI

from adsp_mpi.core.compression import Residual, blocks, commit_bytes
from adsp_mpi.core.worker import Worker
from adsp_mpi.learn.replica import Replica
from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.transport.compressed import CompressedArray
from adsp_mpi.mpi.worker.commit import CommitPath


class CompressedCommits(CommitPath):
    """A commit path that encodes commits and answers; averaged float buffers are sent unencoded.

    A worker goes on from its own copy of the global model plus what it has not sent yet.
    """

    def __init__(
        self,
        model: CompressedArray,
        board: WorkerBoard,
        worker: Worker,
        replica: Replica,
        now: Callable[[], float],
        buffer_share: float,
    ) -> None:
        super().__init__(model, board, worker, replica, now, buffer_share)
        self._compressed = model
        self._size = size = model.num_rebased
        self._residual = Residual(model.codec, size)
        self._known = np.zeros(size, np.float32)
        lengths = [model.codec.num_bytes(block.stop - block.start) for block in blocks(size)]
        self._answers = [np.zeros(length, np.uint8) for length in lengths]
        buffers = len(replica.update) - size
        self.num_bytes = commit_bytes(model.codec, size) + 4 * buffers

    def fetch(self) -> int:
        landed = self._refresh()
        self._residual.values[:] = 0
        wait_for(self._compressed.fetch(self._known))
        self._go_on(keep_local=False)
        return landed

    def pull(self, keep_local: bool) -> int:
        landed = self._refresh()
        wait_for(self._compressed.exchange(None, self._answers))
        self._learn_answers()
        self._go_on(keep_local)
        return landed

    def _add_taken(self) -> list[MPI.Request]:
        sent = self._residual.take(self._replica.update[: self._size])
        return self._compressed.exchange(sent, self._answers)

    def _land(self) -> None:
        self._learn_answers()
        self._answer_what_is_known()
        self._replica.replace(keep_local=True)

    def _learn_answers(self) -> None:
        """Add rank 0's decoded answer to the copy of the global model."""
        for block, data in zip(blocks(self._size), self._answers, strict=True):
            self._compressed.codec.add(data, self._known[block])

    def _go_on(self, keep_local: bool) -> None:
        """Go on from the copy of the global model, with the buffers as they are on rank 0."""
        self._answer_what_is_known()
        self._model.read_now(self._replica.answer[self._size :], self._size)
        self._replica.replace(keep_local)

    def _answer_what_is_known(self) -> None:
        np.add(self._known, self._residual.values, out=self._replica.answer[: self._size])

    def state_dict(self) -> dict[str, Any]:
        return {"residual": self._residual.values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._residual.values[:] = state["residual"]
