"""One array on a server that every rank reads and adds to."""

from enum import IntEnum
from typing import Iterator, Sequence, TypeVar

import numpy as np
from mpi4py import MPI

from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.ranks.world import SERVER, World

T = TypeVar("T")

CHUNK_ELEMENTS = 64 * 1024
"""Elements per operation: small enough that a slow link's commit does not hold up the others'."""


class Kind(IntEnum):
    """Of operation."""

    READ = 0
    ADD = 1
    WRITE = 2


class RemoteArray:
    """`num_elements` zeros on rank `root`. Collective to create and to free.

    Operations are element-wise atomic against each other and return requests; when one is
    complete, the root has applied it and its answer is here. Every operation is cut into chunks.
    """

    way = ""
    """By what operations reach the root, in words."""

    def __init__(
        self, world: World, num_elements: int, dtype: str, chunk_elements: int, root: int = SERVER
    ) -> None:
        self.world = world
        self.root = root
        self.num_elements = num_elements
        self.dtype = np.dtype(dtype)
        self.chunk_elements = chunk_elements
        self.at_once = False
        """An operation is complete as soon as it is begun, or almost."""

    @property
    def memory(self) -> np.ndarray:
        """The root's own view of the array: loads and stores, one element at a time atomic."""
        raise NotImplementedError

    def first_of(self, root: int) -> int:
        """Place of the first element that lies on rank `root`."""
        return 0

    def load(self, into: np.ndarray) -> np.ndarray:
        """`into`, filled with the whole array; for rank 0."""
        into[:] = self.memory
        return into

    def store(self, values: np.ndarray | float) -> None:
        """Replace the whole array; for rank 0, while nobody adds."""
        self.memory[:] = values

    def parts(self, num_elements: int) -> Iterator[slice]:
        """The operations that the first so many elements are cut into, in any order."""
        for start in range(0, num_elements, self.chunk_elements):
            yield slice(start, min(start + self.chunk_elements, num_elements))

    def from_own_place(self, places: Sequence[T]) -> list[T]:
        """`places` from another one on for each rank: those that begin at once do not queue."""
        first = len(places) * self.world.rank // self.world.comm.size
        return [*places[first:], *places[:first]]

    def add(self, values: np.ndarray, before: np.ndarray, offset: int = 0) -> list[MPI.Request]:
        """Add `values` at `offset`; `before` gets what was there. Both stay untouched till done."""
        return self.start(values, before, offset, Kind.ADD)

    def write(self, values: np.ndarray, before: np.ndarray, offset: int = 0) -> list[MPI.Request]:
        """Replace by `values`; as `add`."""
        return self.start(values, before, offset, Kind.WRITE)

    def read(self, into: np.ndarray, offset: int = 0) -> list[MPI.Request]:
        """Read into `into`, chunk by chunk atomic per element."""
        return self.start(None, into, offset, Kind.READ)

    def read_now(self, into: np.ndarray, offset: int = 0) -> None:
        """`read` and wait."""
        wait_for(self.read(into, offset))

    def add_now(self, values: np.ndarray, after: np.ndarray, offset: int = 0) -> None:
        """`add` and wait; `after` gets what is there with `values` in it."""
        wait_for(self.add(values, after, offset))
        np.add(after, values, out=after)

    def flush(self) -> None:
        """Wait until everything this rank did is complete at the root."""

    def free(self) -> None:
        """Collective. Freeing twice is allowed."""

    def start(
        self, values: np.ndarray | None, before: np.ndarray, offset: int, kind: Kind
    ) -> list[MPI.Request]:
        """Begin an operation of this kind."""
        raise NotImplementedError
