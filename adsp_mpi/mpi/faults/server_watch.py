"""A worker's watch over rank 0: without it no run can go on, and MPI may never report it."""

import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import numpy as np
from mpi4py import MPI

from adsp_mpi.core.board import Board, Stage
from adsp_mpi.errors import EXIT_FAILED, tell
from adsp_mpi.mpi.ranks.abort import abort
from adsp_mpi.mpi.ranks.liveness import ASK_SYSTEM_S, Watch, launcher_is_gone
from adsp_mpi.mpi.ranks.periodic import PeriodicThread
from adsp_mpi.mpi.ranks.world import SERVER, World
from adsp_mpi.mpi.transport.board_client import BoardClient
from adsp_mpi.runtime.run_folder import SERVER_LOST, how_to_resume
from adsp_mpi.trace.part_writer import PartWriter

STUCK_S = 8.0
"""A worker still there this long after rank 0 or the launcher is gone hangs in a call into MPI."""


class ServerWatch(PeriodicThread):
    """Ends this process when rank 0 is gone; the first worker to notice reports it.

    On one host all see it by themselves. Across hosts some may wait for an answer that never
    comes: there the first one ends the job. Used as a context, a thread looks as well: a rank that
    dies within an operation can leave a lock in shared memory that others wait for within theirs,
    and with a host out of reach no operation ever ends.
    """

    def __init__(self, folder: Path, world: World, part: PartWriter, board: BoardClient) -> None:
        super().__init__(self._guard, ASK_SYSTEM_S)
        self._asks = MPI.Query_thread() == MPI.THREAD_MULTIPLE and not world.one_node
        self._client = board
        board.on_look = self.look
        self._folder = folder
        self._part = part
        self._world = world
        self._by_board = Watch(world.processes, [SERVER], with_signs=True)
        self._by_answer = Watch(world.processes, [SERVER], with_signs=True)
        self._by_process = Watch(world.processes, [SERVER], with_signs=False)
        self._well_s = self._looked_s = time.monotonic()

    def _guard(self) -> None:
        if self._asks and self._by_answer.gone(np.array([self._client.ask_server_s()])):
            self.leave("rank 0 is gone")
        if not self._by_process.gone() and not launcher_is_gone():
            self._well_s = time.monotonic()
        elif time.monotonic() - self._well_s > STUCK_S:
            self._say("rank 0 is gone")
            os._exit(EXIT_FAILED)

    def look(self, board: Board) -> None:
        """Look for rank 0's heartbeat on a copy of the board that was asked for again.

        If rank 0 does not answer, the copy does not change.
        """
        now = time.monotonic()
        if board.stage == Stage.OVER or now - self._looked_s < ASK_SYSTEM_S:
            return
        self._looked_s = now
        if self._by_board.gone(np.array([board.server_s])):
            self.leave("rank 0 is gone")

    def leave(self, what: str) -> NoReturn:
        """End this process; `what` says what has happened to rank 0."""
        if self._say(what) and not self._world.one_node:
            abort(self._world.comm)
        os._exit(EXIT_FAILED)

    def _say(self, what: str) -> bool:
        """Close the trace and report `what`, unless another rank has; returns whether it did."""
        self._part.close()
        sys.stdout.flush()
        try:
            (self._folder / SERVER_LOST).open("x").close()
        except OSError:
            return False
        tell(f"{what}; {how_to_resume(self._folder)}")
        return True
