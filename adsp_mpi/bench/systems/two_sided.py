"""A parameter server by `Send` and `Recv`, as it is usually written with mpi4py."""

import numpy as np
from mpi4py import MPI

from adsp_mpi.bench.systems.system import Rival
from adsp_mpi.mpi.ranks.world import SERVER, World

COMMIT, LEAVE = 1, 2


class TwoSided(Rival):
    def __init__(self, world: World, num_elements: int) -> None:
        super().__init__(world, num_elements)
        if world.is_server:
            self._model, self._received = np.zeros((2, num_elements), np.float32)

    def exchange(self) -> None:
        comm = self.world.comm
        comm.Send(self.update, SERVER, COMMIT)
        comm.Recv(self.local, SERVER)

    def serve(self, workers: int) -> None:
        comm, status = self.world.comm, MPI.Status()
        while workers:
            comm.Recv(self._received, MPI.ANY_SOURCE, MPI.ANY_TAG, status)
            if status.tag == LEAVE:
                workers -= 1
            else:
                self._model += self._received
                comm.Send(self._model, status.source)

    def leave(self) -> None:
        self.world.comm.Send(self.update[:0], SERVER, LEAVE)

    def model(self) -> np.ndarray:
        return self._model
