"""Rank 0's watch over the ranks that hold parts of the model: without them the run is over."""

import time

import numpy as np
from mpi4py import MPI

from adsp_mpi.errors import tell
from adsp_mpi.mpi.ranks.abort import abort
from adsp_mpi.mpi.ranks.liveness import ASK_SYSTEM_S, is_gone
from adsp_mpi.mpi.ranks.periodic import Repeating
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.runtime.run_folder import SERVER_LOST, how_to_resume

PATIENCE_S = 8.0


class ShardWatch(Repeating):
    """A context in which the job ends when a shard is gone.

    A thread asks the system for those of this host and the others for a number they hold: rank 0
    itself may be waiting for an answer that never comes.
    """

    def __init__(self, ready: Prepared, model: RemoteArray) -> None:
        super().__init__(self._look, ASK_SYSTEM_S)
        self._world, self._folder = ready.world, ready.folder
        world = ready.world
        self._here, self._asked = dict[int, int](), list[Asked]()
        for rank in world.servers[1:]:
            host, process = world.processes[rank]
            if host == world.host:
                self._here[rank] = process
            else:
                self._asked.append(Asked(model, rank))

    def _look(self) -> None:
        gone = [rank for rank, process in self._here.items() if is_gone(process)]
        gone += [asked.rank for asked in self._asked if asked.is_silent()]
        for rank in gone[:1]:
            where = f"rank {rank} on {self._world.hosts[rank]}"
            hint = how_to_resume(self._folder)
            tell(f"{where}, which serves a part of the model, is gone; {hint}")
            (self._folder / SERVER_LOST).touch()  # the workers need not say that rank 0 is gone
            abort(self._world.comm)


class Asked:
    """A shard on another host, asked for its first number again and again."""

    def __init__(self, model: RemoteArray, rank: int) -> None:
        self.rank = rank
        self._model = model
        self._answer = np.zeros(1, model.dtype)
        self._requests: list[MPI.Request] = []
        self._heard_s = time.monotonic()

    def is_silent(self) -> bool:
        """Whether it has not answered for too long."""
        try:
            if MPI.Request.Testall(self._requests):
                self._heard_s = time.monotonic()
                self._requests = self._model.read(self._answer, self._model.first_of(self.rank))
        except MPI.Exception:
            return True
        return time.monotonic() - self._heard_s > PATIENCE_S
