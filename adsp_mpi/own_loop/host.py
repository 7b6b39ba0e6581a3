"""What a user's loop needs of the engine that it runs on, and the place where it finds it."""

import threading
from typing import Any, Callable, Protocol, Sequence

from adsp_mpi.layers import Layer
from adsp_mpi.learn.turns import Turns
from adsp_mpi.own_loop.workload import LoopWorkload


class Host(Protocol):
    """One rank of a run, under MPI or in virtual time."""

    server: bool
    """Whether this is rank 0, which holds the global model and trains nothing."""

    index: int
    """The number of this worker, from 0; -1 on servers."""

    workers: int
    """The number of workers."""

    simulated: bool

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1, the same on every rank."""

    @property
    def share(self) -> tuple[int, int]:
        """The number of this worker's share of the data, and the number of shares."""

    def turns(self) -> Turns[Any]:
        """This rank's part of the run; on rank 0 it returns the results."""


Prepare = Callable[[Sequence[Layer], LoopWorkload], Host]
"""Collective: prepares a run of this workload with these settings."""


class _Place(threading.local):
    """Set in threads that simulate a rank; elsewhere ranks are those of MPI."""

    prepare: Prepare | None = None


PLACE = _Place()

GIVEN: list[Layer] = []
"""Settings from the command line, which go over those in the script."""
