"""A remote array by one-sided MPI: a window in a server's memory."""

import numpy as np
from mpi4py import MPI

from adsp_mpi.errors import AdspError
from adsp_mpi.mpi.ranks.world import SERVER, World
from adsp_mpi.mpi.transport.mpi_library import library_version
from adsp_mpi.mpi.transport.remote_array import ArrayInOnePlace, Kind

OPERATIONS = {Kind.READ: MPI.NO_OP, Kind.ADD: MPI.SUM, Kind.WRITE: MPI.REPLACE}
MPI_TYPES = {np.dtype("f4"): MPI.FLOAT, np.dtype("f8"): MPI.DOUBLE}


class WindowArray(ArrayInOnePlace):
    """A remote array whose operations are all accumulates in one passive-target epoch."""

    way = "one-sided MPI operations"

    def __init__(
        self,
        world: World,
        num_elements: int,
        dtype: str,
        chunk_elements: int,
        root: int = SERVER,
    ) -> None:
        super().__init__(world, num_elements, dtype, chunk_elements, root)
        self.at_once = world.one_node
        self._type = MPI_TYPES[self.dtype]
        size = num_elements * self.dtype.itemsize if world.rank == root else 0
        self._window: MPI.Win | None = MPI.Win.Allocate(size, self.dtype.itemsize, comm=world.comm)
        self._memory = None
        if world.rank == root:
            self._memory = np.asarray(self._window.tomemory()).view(self.dtype)
            self._memory[:] = 0
        world.wait_for_all()
        self._window.Lock_all()
        if self._window.Get_attr(MPI.WIN_MODEL) != MPI.WIN_UNIFIED:
            raise AdspError(f"{library_version()} has no unified memory model; use another MPI")

    @property
    def window(self) -> MPI.Win:
        if self._window is None:
            raise RuntimeError("this window has been freed")
        return self._window

    @property
    def memory(self) -> np.ndarray:
        """The root's own view of the array: loads and stores, one element at a time atomic.

        MPI's unified memory model guarantees this on every machine where an aligned load of 4 or 8
        bytes is one access. So the root needs no MPI call, which some MPIs delay while others'
        accumulates are queued.
        """
        if self._memory is None:
            raise RuntimeError("only the root holds the memory, until the window is freed")
        self.window.Sync()
        return self._memory

    def flush(self) -> None:
        self.window.Flush(self.root)

    def start(
        self, values: np.ndarray | None, before: np.ndarray, offset: int, kind: Kind
    ) -> list[MPI.Request]:
        requests = []
        for part in self.parts(len(before)):
            answer = before[part]
            origin = [None, 0, self._type] if values is None else [values[part], self._type]
            target = (offset + part.start, len(answer), self._type)
            requests.append(
                self.window.Rget_accumulate(
                    origin, [answer, self._type], self.root, target, OPERATIONS[kind]
                )
            )
        return requests

    def free(self) -> None:
        if self._window is not None:
            self._memory = None
            self._window.Unlock_all()
            self._window.Free()
            self._window = None
