"""Rank 0's roster of the workers, on a board in memory."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from adsp_mpi.core.board import Board
from adsp_mpi.core.patience import Process
from adsp_mpi.mpi.server.roster import Workers


def test_a_worker_that_dies_as_the_run_ends_is_told() -> None:
    """The last look, before those outside are let go, may be the one that finds a worker lost."""
    board = Board(2)
    board.column("steps")[:] = 5
    board.column("begun")[:] = [3, 4]
    board.column("commits")[:] = 3
    seen = np.array([Process.RUNNING, Process.RUNNING, Process.RUNNING])
    world = SimpleNamespace(
        num_workers=2,
        rank_of=lambda worker: worker + 1,
        hosts=["a"] * 3,
        processes=SimpleNamespace(look=lambda: seen),
    )
    told: list[tuple[str, str]] = []
    now = [0.0]
    ready: Any = SimpleNamespace(world=world, num_shares=2, folder="r")
    workers = Workers(ready, board, lambda: now[0], lambda *what: told.append(what))
    for now[0] in (0.5, 1.0, 1.5):
        board.column("heartbeat_s")[0] = now[0]
        workers.watch()
    seen[2] = Process.DEAD
    now[0] = 2.0
    workers.release()
    assert [kind for kind, _ in told] == ["lost"]
    assert "worker 1 (rank 2 on a)" in told[0][1]
    assert "after 3 commits; its commit 4 may be applied in part" in told[0][1]
    assert list(board.lost) == [False, True]
