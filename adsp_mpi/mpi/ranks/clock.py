"""One clock for all ranks: seconds since the start of the run on rank 0's clock."""

import time
from typing import Callable

import numpy as np
from mpi4py import MPI

from adsp_mpi.mpi.ranks.world import SERVER, World

ROUND_TRIPS = 20
ROUND_TRIP_TAG = 7
AWAKE_S = 2e-3


class Clock:
    """`now()` is rank 0's time since `start`; `offset_s` is rank 0's counter minus this rank's."""

    def __init__(self, offset_s: float, start: float) -> None:
        self.offset_s = offset_s
        self._start = start

    def now(self) -> float:
        return time.perf_counter() + self.offset_s - self._start


def align(world: World, begin_s: float = 0.0) -> Clock:
    """Collective: measure every rank's offset, then start the run's clock at the same moment.

    It shows `begin_s` then.
    """
    offset_s = 0.0
    for rank in range(1, world.comm.size):
        world.wait_for_all()
        if world.is_server:
            answer_round_trips(world.comm, rank)
        elif world.rank == rank:
            offset_s = measure_offset(world.comm)
    world.wait_for_all()
    start = world.comm.bcast(time.perf_counter() if world.is_server else None)
    return Clock(offset_s, start - begin_s)


def measure_offset(comm: MPI.Comm) -> float:
    """Rank 0's counter minus this rank's, s, from the fastest round trip (Cristian 1989)."""
    theirs = np.zeros(1)
    best = (np.inf, 0.0)
    for _ in range(ROUND_TRIPS):
        sent = time.perf_counter()
        comm.Sendrecv(np.zeros(1), SERVER, ROUND_TRIP_TAG, theirs, SERVER, ROUND_TRIP_TAG)
        received = time.perf_counter()
        best = min(best, (received - sent, float(theirs[0]) - (sent + received) / 2))
    return best[1]


def answer_round_trips(
    comm: MPI.Comm, rank: int, is_lost: Callable[[], bool] = lambda: False
) -> None:
    """Rank 0's side of `measure_offset` on `rank`, until that is done or lost."""
    request, answer = np.zeros(1), np.zeros(1)
    for _ in range(ROUND_TRIPS):
        if not _arrives(comm.Irecv(request, rank, ROUND_TRIP_TAG), is_lost):
            return
        answer[0] = time.perf_counter()
        comm.Send(answer, rank, ROUND_TRIP_TAG)


def _arrives(request: MPI.Request, is_lost: Callable[[], bool]) -> bool:
    """Wait for the request, at first without sleeping, which would spoil the measurement."""
    begun = time.perf_counter()
    while not request.Test():
        if time.perf_counter() - begun > AWAKE_S:
            time.sleep(AWAKE_S)
            if is_lost():
                return False
    return True
