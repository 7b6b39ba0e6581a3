"""A rank's access to the board in rank 0's window."""

from contextlib import suppress
from typing import Callable

import numpy as np
from mpi4py import MPI

from adsp_mpi.core.board import COUNTER_FIELDS, HEADER_FIELDS, Board
from adsp_mpi.core.row import ROW_FIELDS, Row
from adsp_mpi.mpi.ranks.backoff import wait_for, wait_until
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.remote_array import ArrayInOnePlace, RemoteArray

ONE = np.ones(1)

LOOK_S = 0.05
"""How often a worker reads and writes the board if its scheme does not look at others, or while it
sleeps or pauses: over a network every exchange costs both ends."""


class BoardClient:
    """A local copy of the board, `board`, that is refreshed without blocking."""

    def __init__(self, world: World, remote: RemoteArray) -> None:
        self.remote = remote
        self.board = Board(world.num_workers)
        self._incoming = np.zeros_like(self.board.data)
        self._reading: list[MPI.Request] = []
        self._reading_end = 0
        self._answer = np.zeros(1)
        self._asking: list[MPI.Request] = []
        self._adding: list[MPI.Request] = []
        self._server_s = 0.0
        self.on_look: Callable[[Board], None] = lambda board: None
        """Called with the copy after every `refresh`, even if no answer has come."""

    def refresh(self, everything: bool = True) -> None:
        """Update the copy as far as possible without waiting; the rows only with `everything`."""
        if not self._reading:
            end = len(self._incoming) if everything else self.board.rows_offset
            self._reading = self.remote.read(self._incoming[:end])
            self._reading_end = end
        if MPI.Request.Testall(self._reading):
            self._take()
        self.on_look(self.board)

    def refresh_now(self) -> None:
        """Wait until the whole copy is up to date."""
        wait_for(self._reading)
        self._reading = []

        def refreshed() -> bool:
            self.refresh()
            return not self._reading

        wait_until(refreshed)

    def _take(self) -> None:
        self.board.data[: self._reading_end] = self._incoming[: self._reading_end]
        self._reading = []

    def count(self, counter: str) -> tuple[list[MPI.Request], np.ndarray]:
        """Add one to a counter; the array holds the value before once the requests are done."""
        return self.add(counter, ONE)

    def add(self, counter: str, amount: np.ndarray) -> tuple[list[MPI.Request], np.ndarray]:
        """Add `amount`, float64[1], to a counter, as `count` adds one."""
        before = np.empty(1)
        offset = self.board.counters_offset + COUNTER_FIELDS.index(counter)
        requests = self.remote.add(amount, before, offset)
        self._adding = [*filter(None, self._adding), *requests]
        return requests, before

    def ask_server_s(self) -> float:
        """Rank 0's last sign of life that has come; asks for a newer one. For one other thread."""
        with suppress(MPI.Exception):  # who cannot be reached does not answer
            if MPI.Request.Testall(self._asking):
                self._server_s = float(self._answer[0])
                self._asking = self.remote.read(self._answer, HEADER_FIELDS.index("server_s"))
        return self._server_s

    def finish(self) -> None:
        """Wait for what is under way, before the window is freed."""
        wait_for([*self._reading, *self._asking, *self._adding])
        self._reading = []
        self.remote.flush()


class WorkerBoard(BoardClient):
    """A worker's access to the board: it also writes its own row."""

    def __init__(self, world: World, remote: RemoteArray) -> None:
        super().__init__(world, remote)
        self.row = Row()
        self._sent = np.zeros_like(self.row.values)
        self._before = np.zeros_like(self.row.values)
        self._offset = self.board.row_offset(world.worker)
        self._publishing: list[MPI.Request] = []
        self._beat, self._beat_before = np.zeros(1), np.zeros(1)
        self._beating: list[MPI.Request] = []

    def take_row(self) -> None:
        """Set the row from the refreshed board."""
        start = self._offset
        self.row.values[:] = self.board.data[start : start + len(self.row.values)]

    def publish(self, now: float) -> list[MPI.Request]:
        """Send the row to rank 0 as it is now; the requests are done when it has arrived."""
        wait_for(self._publishing)
        self.row.acted(now)
        self._sent[:] = self.row.values
        self._publishing = self.remote.write(self._sent, self._before, self._offset)
        return self._publishing

    def show_life(self, now: float) -> None:
        """Call `publish_if_idle` if the loop's last sign is more than `LOOK_S` old."""
        if now - self.row.acted_s > LOOK_S:
            self.publish_if_idle(now)

    def publish_if_idle(self, now: float) -> None:
        """Call `publish`, unless the last one is still under way."""
        if MPI.Request.Testall(self._publishing):
            self.publish(now)

    def beat(self, now: float) -> None:
        """Send a heartbeat, unless the last one is still under way; for a separate thread."""
        if MPI.Request.Testall(self._beating):
            self._beat[:] = now
            offset = self._offset + ROW_FIELDS.index("heartbeat_s")
            self._beating = self.remote.write(self._beat, self._beat_before, offset)

    def finish(self) -> None:
        wait_for([*self._publishing, *self._beating])
        super().finish()


def server_board(world: World, remote: ArrayInOnePlace) -> Board:
    """Rank 0's board, in the array's own memory, with nothing to refresh or publish."""
    return Board(world.num_workers, remote.memory)
