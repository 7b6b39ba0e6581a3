"""Compressed commits over MPI: blocks cut down by the worker, undone and answered by rank 0."""

from enum import IntEnum
from typing import Any, Callable

import numpy as np
from mpi4py import MPI

from adsp_mpi.config import Config
from adsp_mpi.core.compression import BLOCK_ELEMENTS, Codec, Known, Residual, blocks, commit_bytes
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.replica import Replica, rebased_elements
from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.transport.choose import make_model_array
from adsp_mpi.mpi.transport.chunk_size import chosen_chunk
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.mpi.transport.two_sided import ServedArray
from adsp_mpi.mpi.worker.commit import CommitPath


class BlockKind(IntEnum):
    """What a worker asks of a block beyond what every array does."""

    EXCHANGE = 10  # add what is sent, if anything; answer with what the worker does not know
    FETCH = 11  # answer with the block as it is


class CompressedArray(ServedArray):
    """The model on rank 0, float32[num_elements], with what each worker knows of its beginning."""

    def __init__(self, world: World, num_elements: int, codec: Codec, num_rebased: int) -> None:
        self.codec = codec
        self.num_rebased = num_rebased
        workers = world.num_workers if world.is_server else 0
        self._known = Known(codec, workers, num_rebased)
        super().__init__(world, num_elements, "f4", BLOCK_ELEMENTS)

    def exchange(
        self, sent: list[np.ndarray] | None, answers: list[np.ndarray]
    ) -> list[MPI.Request]:
        """Send encoded blocks, or none for a pull; `answers` are as long as such blocks."""
        requests = []
        for number, block in enumerate(blocks(self.num_rebased)):
            payload = sent[number] if sent else None
            requests += self._ask(BlockKind.EXCHANGE, block, payload, answers[number])
        return requests

    def fetch(self, into: np.ndarray) -> list[MPI.Request]:
        """Read the first `num_rebased` elements, as rank 0 notes."""
        requests = []
        for block in blocks(self.num_rebased):
            requests += self._ask(BlockKind.FETCH, block, None, into[block].view("u1"))
        return requests

    def _carry_out(
        self, source: int, kind: int, offset: int, count: int, payload: np.ndarray
    ) -> np.ndarray:
        if kind not in (BlockKind.EXCHANGE, BlockKind.FETCH):
            return super()._carry_out(source, kind, offset, count, payload)
        worker, block = self.world.worker_of(source), slice(offset, offset + count)
        there = self.memory[block]
        with self._applying:
            if kind == BlockKind.FETCH:
                self._known.told(worker, block, there)
                return there.copy().view("u1")
            if len(payload):
                self.codec.add(payload, there)
            return self._known.tell(worker, block, there)


class CompressedCommits(CommitPath):
    """Float buffers that are averaged go as they are; everything else is encoded, both ways.

    A worker goes on from what it knows of the model and what it has not sent yet.
    """

    def __init__(
        self,
        model: CompressedArray,
        board: WorkerBoard,
        replica: Replica,
        now: Callable[[], float],
        buffer_share: float,
    ) -> None:
        super().__init__(model, board, replica, now, buffer_share)
        self._compressed = model
        self._size = size = model.num_rebased
        self._residual = Residual(model.codec, size)
        self._known = np.zeros(size, np.float32)
        lengths = [model.codec.num_bytes(block.stop - block.start) for block in blocks(size)]
        self._answers = [np.zeros(length, np.uint8) for length in lengths]
        buffers = len(replica.update) - size
        self.num_bytes = commit_bytes(model.codec, size) + 4 * buffers

    def fetch(self) -> None:
        self._refresh()
        self._residual.values[:] = 0
        wait_for(self._compressed.fetch(self._known))
        self._go_on(keep_local=False)

    def pull(self, keep_local: bool) -> None:
        self._refresh()
        wait_for(self._compressed.exchange(None, self._answers))
        self._learn_answers()
        self._go_on(keep_local)

    def _add_taken(self) -> list[MPI.Request]:
        sent = self._residual.take(self._replica.update[: self._size])
        return self._compressed.exchange(sent, self._answers)

    def _land(self) -> None:
        self._learn_answers()
        self._answer_what_is_known()
        self._replica.replace(keep_local=True)

    def _learn_answers(self) -> None:
        """Know what rank 0 has just told."""
        for block, data in zip(blocks(self._size), self._answers, strict=True):
            self._compressed.codec.add(data, self._known[block])

    def _go_on(self, keep_local: bool) -> None:
        """From what is known now, with the buffers as they are on rank 0."""
        self._answer_what_is_known()
        self._model.read_now(self._replica.answer[self._size :], self._size)
        self._replica.replace(keep_local)

    def _answer_what_is_known(self) -> None:
        np.add(self._known, self._residual.values, out=self._replica.answer[: self._size])

    @property
    def state(self) -> dict[str, Any]:
        return {**super().state, "residual": self._residual.values}

    def resume(self, state: dict[str, Any]) -> None:
        super().resume(state)
        self._residual.values[:] = state["residual"]


def model_array(world: World, config: Config, model: FlatModel) -> RemoteArray:
    """Collective: room for the model on the servers, zeros, for commits as `config` has them."""
    if config.codec is None:
        return make_model_array(world, model.num_elements, chosen_chunk(world))
    world.agree(_require_threads)
    num_rebased = rebased_elements(model, config.sync_model.same_base)
    return CompressedArray(world, model.num_elements, config.codec, num_rebased)


def _require_threads() -> None:
    if MPI.Query_thread() != MPI.THREAD_MULTIPLE:
        raise UsageError("compressed commits need an MPI with MPI_THREAD_MULTIPLE")


def commit_path(
    model: RemoteArray,
    board: WorkerBoard,
    replica: Replica,
    now: Callable[[], float],
    buffer_share: float,
) -> CommitPath:
    """The commit path that suits the array."""
    if isinstance(model, CompressedArray):
        return CompressedCommits(model, board, replica, now, buffer_share)
    return CommitPath(model, board, replica, now, buffer_share)
