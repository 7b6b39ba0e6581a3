"""A worker's watch over rank 0: without it nothing can go on, and MPI itself may never say so."""

import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from adsp_mpi.core.board import Board, Stage
from adsp_mpi.errors import EXIT_FAILED, tell
from adsp_mpi.mpi.ranks.abort import abort
from adsp_mpi.mpi.ranks.backoff import LAUNCHER
from adsp_mpi.mpi.ranks.liveness import ASK_SYSTEM_S, is_gone
from adsp_mpi.mpi.ranks.periodic import Repeating
from adsp_mpi.mpi.ranks.world import SERVER, World
from adsp_mpi.runtime.run_folder import SERVER_LOST, how_to_resume
from adsp_mpi.trace.part_writer import PartWriter

PATIENCE_S = 6.0
"""Rank 0 gives a sign of life twice a second, also while it evaluates or writes."""

GAP_COUNTS_S = 1.0
"""Of a time in which this worker did not look, so much counts: it may have been suspended."""

MANY_LOOKS = 20
"""An answer that is still missing after so many is not coming."""


STUCK_S = 8.0
"""A worker that has not left so long after rank 0 or the launcher is caught within MPI."""


class ServerWatch(Repeating):
    """Ends this process when rank 0 is gone; the first worker to see it says so.

    On one host all see it by themselves. Across hosts some may wait for an answer that never
    comes: there the first one ends the job. Used as a context, a thread looks as well: a rank that
    dies within an operation can leave a lock in shared memory that others wait for within theirs.
    """

    def __init__(self, folder: Path, world: World, part: PartWriter) -> None:
        super().__init__(self._guard, ASK_SYSTEM_S)
        host, process = world.processes[SERVER]
        self._folder = folder
        self._part = part
        self._world = world
        self._process = process if host == world.host else 0
        self._asked_system_s = 0.0
        self._heard = -1.0
        self._alive_s = self._looked_s = time.monotonic()
        self._well_s = time.monotonic()

    def _guard(self) -> None:
        server_is_gone = bool(self._process) and is_gone(self._process)
        if not server_is_gone and os.getppid() == LAUNCHER:
            self._well_s = time.monotonic()
        elif time.monotonic() - self._well_s > STUCK_S:
            self._say("rank 0 is gone")
            os._exit(EXIT_FAILED)

    def look(self, board: Board, asked_s: float, looks: int, answered: bool) -> None:
        """The board was asked for at `asked_s` on the monotonic clock and looked for so often."""
        now = time.monotonic()
        self._alive_s += max(0.0, now - self._looked_s - GAP_COUNTS_S)
        self._looked_s = now
        if board.stage == Stage.CLOSED:
            return
        if answered and board.server_s != self._heard:
            self._heard = board.server_s
            self._alive_s = asked_s
        silent_s = asked_s - self._alive_s if answered else now - self._alive_s
        missing = answered or looks >= MANY_LOOKS
        if (silent_s > PATIENCE_S and missing) or self._process_is_gone(now):
            self.leave("rank 0 is gone")

    def _process_is_gone(self, now: float) -> bool:
        if not self._process or now - self._asked_system_s < ASK_SYSTEM_S:
            return False
        self._asked_system_s = now
        return is_gone(self._process)

    def leave(self, what: str) -> NoReturn:
        """End this process; `what` has happened to rank 0."""
        if self._say(what) and not self._world.one_node:
            abort(self._world.comm)
        os._exit(EXIT_FAILED)

    def _say(self, what: str) -> bool:
        """Close the trace and tell the user, unless another rank has; whether this one did."""
        self._part.close()
        sys.stdout.flush()
        try:
            (self._folder / SERVER_LOST).open("x").close()
        except OSError:
            return False
        tell(f"{what}; {how_to_resume(self._folder)}")
        return True
