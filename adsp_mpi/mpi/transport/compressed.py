"""Compressed commits over MPI: workers send encoded blocks, rank 0 decodes and answers them."""

from enum import IntEnum

import numpy as np
from mpi4py import MPI

from adsp_mpi.core.compression import BLOCK_ELEMENTS, Codec, Known, blocks
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.two_sided import TwoSidedArray


class BlockKind(IntEnum):
    """The operations on a block that only this array has."""

    EXCHANGE = 10  # add what is sent, if anything; answer with what the worker does not know yet
    FETCH = 11  # answer with the block as it is


class CompressedArray(TwoSidedArray):
    """The model on rank 0, float32[num_elements], and what each worker knows of its first part."""

    def __init__(self, world: World, num_elements: int, codec: Codec, num_rebased: int) -> None:
        self.codec = codec
        self.num_rebased = num_rebased
        workers = world.num_workers if world.is_server else 0
        self._known = Known(codec, workers, num_rebased)
        super().__init__(world, num_elements, "f4", BLOCK_ELEMENTS)

    def exchange(
        self, sent: list[np.ndarray] | None, answers: list[np.ndarray]
    ) -> list[MPI.Request]:
        """Send encoded blocks, or none for a pull; the encoded answers go into `answers`."""
        requests = []
        for number, block in enumerate(blocks(self.num_rebased)):
            payload = sent[number] if sent else None
            requests += self._ask(BlockKind.EXCHANGE, block, payload, answers[number])
        return requests

    def fetch(self, into: np.ndarray) -> list[MPI.Request]:
        """Read the first `num_rebased` elements; rank 0 notes that the worker knows them."""
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
