"""One array on rank 0 that every rank reads and adds to by one-sided MPI."""

from typing import Iterator

import numpy as np
from mpi4py import MPI

from adsp_mpi.errors import AdspError
from adsp_mpi.mpi.pause import wait_for
from adsp_mpi.mpi.world import SERVER, World

CHUNK_ELEMENTS = 64 * 1024
"""Elements per operation: small enough that a slow link's commit does not hold up the others'."""

MPI_TYPES = {np.dtype("f4"): MPI.FLOAT, np.dtype("f8"): MPI.DOUBLE}


class RemoteArray:
    """`num_elements` zeros on rank 0, in one passive-target epoch from creation to `free`.

    Collective to create and to free. Operations are element-wise atomic against each other
    (all are accumulates) and return requests; when one is complete, rank 0 has applied it and
    its answer is here. Every operation is cut into chunks.
    """

    def __init__(
        self,
        world: World,
        num_elements: int,
        dtype: str,
        chunk_elements: int = CHUNK_ELEMENTS,
    ) -> None:
        self.num_elements = num_elements
        self.chunk_elements = chunk_elements
        self.dtype = np.dtype(dtype)
        self._type = MPI_TYPES[self.dtype]
        self._one_at_a_time = holds_lock_in_flight(world)
        size = num_elements * self.dtype.itemsize if world.is_server else 0
        self._window: MPI.Win | None = MPI.Win.Allocate(size, self.dtype.itemsize, comm=world.comm)
        self._memory = None
        if world.is_server:
            self._memory = np.asarray(self._window.tomemory()).view(self.dtype)
            self._memory[:] = 0
        world.wait_for_all()
        self._window.Lock_all()

    @property
    def window(self) -> MPI.Win:
        if self._window is None:
            raise RuntimeError("this window has been freed")
        return self._window

    @property
    def memory(self) -> np.ndarray:
        """Rank 0's own view of the array: loads and stores, one element at a time atomic.

        That is what MPI's unified memory model gives on every machine where an aligned load of
        4 or 8 bytes is one access; `self_test` refuses an MPI without that model. Rank 0 needs
        no MPI call of its own then, which some MPIs delay while others' accumulates are queued.
        """
        if self._memory is None:
            raise RuntimeError("only rank 0 holds the memory, until the window is freed")
        self.window.Sync()
        return self._memory

    def parts(self, num_elements: int) -> Iterator[slice]:
        """The operations that the first so many elements are cut into."""
        for start in range(0, num_elements, self.chunk_elements):
            yield slice(start, min(start + self.chunk_elements, num_elements))

    def add(self, values: np.ndarray, before: np.ndarray, offset: int = 0) -> list[MPI.Request]:
        """Add `values` at `offset`; `before` gets what was there. Both stay untouched till done."""
        return self._start(values, before, offset, MPI.SUM)

    def write(self, values: np.ndarray, before: np.ndarray, offset: int = 0) -> list[MPI.Request]:
        """Replace by `values`; as `add`."""
        return self._start(values, before, offset, MPI.REPLACE)

    def read(self, into: np.ndarray, offset: int = 0) -> list[MPI.Request]:
        """Read into `into`, chunk by chunk atomic per element."""
        return self._start(None, into, offset, MPI.NO_OP)

    def read_now(self, into: np.ndarray, offset: int = 0) -> None:
        """`read` and wait."""
        wait_for(self.read(into, offset))

    def flush(self) -> None:
        """Wait until everything this rank did is complete at rank 0."""
        self.window.Flush(SERVER)

    def _start(
        self, values: np.ndarray | None, before: np.ndarray, offset: int, op: MPI.Op
    ) -> list[MPI.Request]:
        requests = []
        for part in self.parts(len(before)):
            answer = before[part]
            origin = [None, 0, self._type] if values is None else [values[part], self._type]
            target = (offset + part.start, len(answer), self._type)
            requests.append(
                self.window.Rget_accumulate(origin, [answer, self._type], SERVER, target, op)
            )
            if self._one_at_a_time:
                wait_for(requests)
                self.flush()
        return requests

    def free(self) -> None:
        """Collective. Freeing twice is allowed."""
        if self._window is not None:
            self._memory = None
            self._window.Unlock_all()
            self._window.Free()
            self._window = None


def holds_lock_in_flight(world: World) -> bool:
    """Whether an accumulate in flight keeps all others out until its origin looks again.

    Open MPI's osc/rdma does over a network: the origin takes a lock on rank 0, reads, writes and
    unlocks, each in its own call into MPI. A request can be complete before the unlocking is
    done. Left alone during a step or a sleep, one operation starves every other rank, for
    minutes if it is repeated; so there each is waited for and flushed at once.
    """
    return not world.one_node and MPI.get_vendor()[0] == "Open MPI"


def self_test(world: World, array: RemoteArray) -> None:
    """Collective: every rank adds known integers; raises AdspError unless all arrive exactly once.

    Leaves the array zero. Some MPI releases add wrongly on some transports.
    """
    count = min(array.num_elements, 3 * CHUNK_ELEMENTS // 2)
    rounds = 3
    mine = np.full(count, world.rank + 1, array.dtype)
    before, seen = np.zeros_like(mine), np.zeros_like(mine)
    for _ in range(rounds):
        wait_for(array.add(mine, before))
    array.flush()
    world.wait_for_all()
    array.read_now(seen)
    expected = rounds * sum(range(1, world.comm.size + 1))
    wrong = int((seen != expected).sum())
    world.wait_for_all()
    if world.is_server:
        wrong += int((array.memory[:count] != expected).sum())
        array.memory[:] = 0
        array.window.Sync()
    world.wait_for_all()
    if array.window.Get_attr(MPI.WIN_MODEL) != MPI.WIN_UNIFIED:
        raise AdspError(f"{library_version()} has no unified memory model; use another MPI")
    if wrong:
        raise AdspError(
            f"this MPI adds wrongly: {wrong} of {count} elements are not {expected} after "
            f"one-sided sums by {world.comm.size} ranks ({library_version()}). With Open MPI try "
            "OMPI_MCA_osc=^ucx or OMPI_MCA_osc=sm,rdma; otherwise another MPI"
        )


def library_version() -> str:
    """Name and version of the MPI in use, on one line."""
    first_line = MPI.Get_library_version().strip("\x00\n ").splitlines()[0]
    return " ".join(first_line.replace("Version:", "").split()).split(", package")[0]
