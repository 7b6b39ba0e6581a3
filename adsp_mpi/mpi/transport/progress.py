"""Keeps one-sided traffic between hosts moving while rank 0 computes or sleeps.

Across hosts nothing lands in rank 0's windows unless rank 0 calls MPI. A thread calls it, often
while a commit is in flight and rarely otherwise. It is not needed on one node, nor where arrays
have threads of their own.
"""

import threading

from mpi4py import MPI

from adsp_mpi.core.board import Board
from adsp_mpi.mpi.ranks.backoff import EAGER_S, IDLE_S
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.mpi_library import excludes_others_in_flight


class ProgressHelper:
    """A context in which rank 0 makes MPI progress. `seen` is the board in the array's memory."""

    def __init__(self, world: World, seen: Board) -> None:
        self._probed: MPI.Comm = world.comm
        self._begun, self._commits = seen.column("begun"), seen.column("commits")
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        one_sided = not world.one_node and not excludes_others_in_flight(world)
        if one_sided and MPI.Query_thread() == MPI.THREAD_MULTIPLE:
            self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "ProgressHelper":
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            self._enter_mpi()
            eager = (self._begun != self._commits).any()
            self._over.wait(EAGER_S if eager else IDLE_S)

    def _enter_mpi(self) -> None:
        try:
            self._probed.Iprobe(MPI.ANY_SOURCE, MPI.ANY_TAG)
        except MPI.Exception:
            # Open MPI's ULFM, when a rank has failed; there its own communicator does as well
            self._probed = MPI.COMM_SELF
