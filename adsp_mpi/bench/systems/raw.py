"""The least that a commit needs: one `Get_accumulate` of the whole vector."""

import numpy as np
from mpi4py import MPI

from adsp_mpi.bench.systems.system import Rival
from adsp_mpi.mpi.ranks.world import SERVER, World
from adsp_mpi.tools.profile import eager_progress


class Raw(Rival):
    def __init__(self, world: World, num_elements: int) -> None:
        super().__init__(world, num_elements)
        size = 4 * num_elements if world.is_server else 0
        self._window = MPI.Win.Allocate(size, 4, comm=world.comm)
        self._helper = eager_progress(world) if world.is_server else None
        if self._helper:
            self.model()[:] = 0
            self._helper.__enter__()
        world.wait_for_all()
        self._window.Lock_all()

    def get_accumulate(self) -> None:
        """Add `update` to rank 0's model; `answer` gets the model before it."""
        update, answer = [self.update, MPI.FLOAT], [self.answer, MPI.FLOAT]
        self._window.Get_accumulate(update, answer, SERVER, op=MPI.SUM)
        self._window.Flush(SERVER)

    def exchange(self) -> None:
        self.get_accumulate()
        np.add(self.answer, self.update, out=self.local)

    def model(self) -> np.ndarray:
        return np.asarray(self._window.tomemory()).view(np.float32)

    def close(self) -> None:
        super().close()
        if self._helper:
            self._helper.__exit__()
        self._window.Unlock_all()
        self._window.Free()
