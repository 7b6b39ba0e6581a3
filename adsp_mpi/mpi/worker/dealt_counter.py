"""The board's counter of dealt samples, as a worker reaches it without blocking."""

import numpy as np
from mpi4py import MPI

from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.transport.board_client import BoardClient


class DealtCounter:
    """The `Counter` of a worker's `Hand`."""

    def __init__(self, board: BoardClient) -> None:
        self._board = board
        self._amount = np.zeros(1)
        self._before = np.zeros(1)
        self._adding: list[MPI.Request] = []

    def add(self, positions: int) -> None:
        self._amount[:] = positions
        self._adding, self._before = self._board.add("dealt", self._amount)

    def before(self, wait: bool) -> int | None:
        if wait:
            wait_for(self._adding)
        elif not MPI.Request.Testall(self._adding):
            return None
        return int(self._before[0])
