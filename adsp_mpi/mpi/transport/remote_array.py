"""One array on a server that every rank reads and adds to."""

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import Iterator, Sequence, TypeVar

import numpy as np
from mpi4py import MPI

from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.ranks.world import SERVER, World

T = TypeVar("T")

CHUNK_ELEMENTS = 64 * 1024
"""Elements per operation, few enough that a commit on a slow link does not hold up others."""


class Kind(IntEnum):
    """The kinds of operation."""

    READ = 0
    ADD = 1
    WRITE = 2


class RemoteArray(ABC):
    """An array on rank `root`, of zeros at first. Collective to create and to free.

    Operations are element-wise atomic against each other and return requests. When these are
    complete, the root has applied the operation and its answer is here. Every operation is cut
    into chunks.
    """

    way = ""
    """The way in which operations reach the root, in words."""

    def __init__(
        self, world: World, num_elements: int, dtype: str, chunk_elements: int, root: int = SERVER
    ) -> None:
        self.world = world
        self.root = root
        self.num_elements = num_elements
        self.dtype = np.dtype(dtype)
        self.chunk_elements = chunk_elements
        self.at_once = False
        """Whether an operation is complete, or almost, when the call returns."""

    def first_of(self, root: int) -> int:
        """The index of the first element on rank `root`."""
        return 0

    @abstractmethod
    def load(self, into: np.ndarray) -> np.ndarray:
        """Fill `into` with the whole array and return it; for rank 0."""

    @abstractmethod
    def store(self, values: np.ndarray | float) -> None:
        """Replace the whole array; for rank 0, while no rank adds."""

    def parts(self, num_elements: int) -> Iterator[slice]:
        """The operations into which the first `num_elements` elements are cut, in any order."""
        for start in range(0, num_elements, self.chunk_elements):
            yield slice(start, min(start + self.chunk_elements, num_elements))

    def from_own_place(self, places: Sequence[T]) -> list[T]:
        """`places`, rotated by rank, so that ranks that begin at once do not queue."""
        first = len(places) * self.world.rank // self.world.comm.size
        return [*places[first:], *places[:first]]

    def add(self, values: np.ndarray, before: np.ndarray, offset: int = 0) -> list[MPI.Request]:
        """Add `values` at `offset`; `before` gets the old values. Leave both alone until done."""
        return self.start(values, before, offset, Kind.ADD)

    def write(self, values: np.ndarray, before: np.ndarray, offset: int = 0) -> list[MPI.Request]:
        """Replace the values at `offset` by `values`; otherwise as `add`."""
        return self.start(values, before, offset, Kind.WRITE)

    def read(self, into: np.ndarray, offset: int = 0) -> list[MPI.Request]:
        """Read the values at `offset` into `into`; each element is read atomically."""
        return self.start(None, into, offset, Kind.READ)

    def read_now(self, into: np.ndarray, offset: int = 0) -> None:
        """Call `read` and wait."""
        wait_for(self.read(into, offset))

    def add_now(self, values: np.ndarray, after: np.ndarray, offset: int = 0) -> None:
        """Add `values` at `offset` and wait; `after` gets the new values."""
        wait_for(self.add(values, after, offset))
        np.add(after, values, out=after)

    def flush(self) -> None:  # noqa: B027  nothing to wait for is a good answer
        """Wait until all operations of this rank are complete at the root."""

    @abstractmethod
    def free(self) -> None:
        """Free the array; collective. Freeing twice is allowed."""

    @abstractmethod
    def start(
        self, values: np.ndarray | None, before: np.ndarray, offset: int, kind: Kind
    ) -> list[MPI.Request]:
        """Begin an operation of this kind."""


class ArrayInOnePlace(RemoteArray):
    """A remote array whose elements are all in the memory of its root."""

    @property
    @abstractmethod
    def memory(self) -> np.ndarray:
        """The root's own view of the array: loads and stores, one element at a time atomic."""

    def load(self, into: np.ndarray) -> np.ndarray:
        into[:] = self.memory
        return into

    def store(self, values: np.ndarray | float) -> None:
        self.memory[:] = values
