"""A remote array for the ranks of one node, in memory that all of them map, without MPI.

Unlike with MPI, a rank that is killed inside an operation leaves nothing locked.
"""

import mmap
import os
from contextlib import suppress
from typing import Iterator

import numpy as np
from mpi4py import MPI

from adsp_mpi.errors import AdspError
from adsp_mpi.mpi.ranks.world import SERVER, World
from adsp_mpi.mpi.transport.remote_array import ArrayInOnePlace, Kind
from adsp_mpi.mpi.transport.robust_locks import LOCK_BYTES, RobustLocks


class NotShared(AdspError):
    """The ranks cannot map the same memory, or the system has no locks for it."""


class SharedArray(ArrayInOnePlace):
    """An array in shared memory, with one lock per chunk; operations are done when they return.

    Raises NotShared on all ranks if that is impossible. A rank that is killed inside a chunk may
    have changed only some of its elements.
    """

    way = "memory that all ranks share"

    def __init__(
        self,
        world: World,
        num_elements: int,
        dtype: str,
        chunk_elements: int,
        root: int = SERVER,
    ) -> None:
        super().__init__(world, num_elements, dtype, chunk_elements, root)
        self.at_once = True
        num_chunks = -(-num_elements // chunk_elements)
        lock_bytes = num_chunks * LOCK_BYTES
        begin = -(-lock_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = map_together(world, begin + num_elements * self.dtype.itemsize, root)
        self._locks = RobustLocks(memory[:lock_bytes])
        self._values: np.ndarray | None = memory[begin:].view(self.dtype)
        if not all(world.allgather(world.rank != root or self._locks.initialize())):
            raise NotShared("this system has no locks that outlive their holder")

    @property
    def values(self) -> np.ndarray:
        """The array itself; the same memory on every rank."""
        if self._values is None:
            raise RuntimeError("this array has been freed")
        return self._values

    @property
    def memory(self) -> np.ndarray:
        return self.values

    def parts(self, num_elements: int) -> Iterator[slice]:
        yield from self.from_own_place([*super().parts(num_elements)])

    def start(
        self, values: np.ndarray | None, before: np.ndarray, offset: int, kind: Kind
    ) -> list[MPI.Request]:
        for chunk, place, part in self._chunks(offset, len(before)):
            there = self.values[place]
            self._locks.acquire(chunk)
            try:
                before[part] = there
                if values is not None and kind is Kind.ADD:
                    np.add(there, values[part], there)
                elif values is not None:
                    there[:] = values[part]
            finally:
                self._locks.release(chunk)
        return []

    def add_now(self, values: np.ndarray, after: np.ndarray, offset: int = 0) -> None:
        for chunk, place, part in self._chunks(offset, len(after)):
            there = self.values[place]
            self._locks.acquire(chunk)
            try:
                np.add(there, values[part], there)
                after[part] = there
            finally:
                self._locks.release(chunk)

    def _chunks(self, offset: int, count: int) -> list[tuple[int, slice, slice]]:
        """The chunks of an operation: each one's number, and its slice of array and values."""
        first, end, size = offset, offset + count, self.chunk_elements
        if count and end <= (first // size + 1) * size:
            return [(first // size, slice(first, end), slice(None))]
        found = []
        while first < end:
            last = min(end, (first // size + 1) * size)
            found.append((first // size, slice(first, last), slice(first - offset, last - offset)))
            first = last
        return found

    def free(self) -> None:
        self._values = None  # unmapped when the last view of it is gone


def map_together(world: World, num_bytes: int, root: int) -> np.ndarray:
    """Collective: map the same memory, uint8[num_bytes] of zeros, on all ranks of the host.

    The memory has no name and no size limit of its own, and is freed with its last process.
    Raises NotShared on all ranks if one of them cannot map it, as between containers.
    """
    file = _new_file(num_bytes) if world.rank == root else None
    offer = world.allgather((os.getpid(), file, _identity(file)))[root]
    process, number, identity = offer
    if number is not None and world.rank != root:
        with suppress(OSError):
            file = os.open(f"/proc/{process}/fd/{number}", os.O_RDWR | os.O_CLOEXEC)
    shared = file is not None and _identity(file) == identity
    everywhere = all(world.allgather(shared))
    try:
        if not everywhere or file is None:
            raise NotShared("the ranks of this node cannot map the same memory")
        return np.frombuffer(mmap.mmap(file, num_bytes), np.uint8)
    finally:
        if file is not None:
            os.close(file)


def _new_file(num_bytes: int) -> int | None:
    """A file in memory with `num_bytes` bytes; None if that is impossible."""
    file = None
    try:
        file = os.memfd_create("adsp_mpi")
        os.posix_fallocate(file, 0, num_bytes)
    except (AttributeError, OSError):
        if file is not None:
            os.close(file)
        return None
    return file


def _identity(file: int | None) -> tuple[int, int] | None:
    if file is None:
        return None
    found = os.fstat(file)
    return found.st_dev, found.st_ino
