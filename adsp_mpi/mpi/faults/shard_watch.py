"""Rank 0's watch over the ranks that hold parts of the model: without them the run is over."""

import numpy as np
from mpi4py import MPI

from adsp_mpi.errors import tell
from adsp_mpi.mpi.ranks.abort import abort
from adsp_mpi.mpi.ranks.liveness import ASK_SYSTEM_S, Watch
from adsp_mpi.mpi.ranks.periodic import PeriodicThread
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.runtime.run_folder import SERVER_LOST, how_to_resume


class ShardWatch(PeriodicThread):
    """A context in which the job ends when a server of a part of the model is gone.

    A thread watches the processes of this host, and asks the servers on other hosts for a number
    that they hold, as rank 0 itself may be waiting for an answer that never comes.
    """

    def __init__(self, ready: Prepared, model: RemoteArray) -> None:
        super().__init__(self._look, ASK_SYSTEM_S)
        self._world, self._folder = ready.world, ready.folder
        shards = self._world.servers[1:]
        self._watch = Watch(self._world.processes, shards, with_signs=True)
        self._asked = [Asked(model, rank) for rank in shards]

    def _look(self) -> None:
        answers = np.array([float(asked.answers()) for asked in self._asked])
        for rank in self._watch.gone(answers)[:1]:
            where = f"rank {rank} on {self._world.hosts[rank]}"
            hint = how_to_resume(self._folder)
            tell(f"{where}, which serves a part of the model, is gone; {hint}")
            (self._folder / SERVER_LOST).touch()  # the workers need not say that rank 0 is gone
            abort(self._world.comm)


class Asked:
    """A server that is asked for its first number again and again."""

    def __init__(self, model: RemoteArray, rank: int) -> None:
        self._model = model
        self._place = model.first_of(rank)
        self._answer = np.zeros(1, model.dtype)
        self._requests: list[MPI.Request] = []
        self._answers = 0

    def answers(self) -> int:
        """The number of its answers so far."""
        try:
            if MPI.Request.Testall(self._requests):
                self._answers += 1
                self._requests = self._model.read(self._answer, self._place)
        except MPI.Exception:
            pass  # a rank that cannot be reached does not answer
        return self._answers
