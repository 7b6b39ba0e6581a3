"""Rank 0's roster of the workers, on a board in memory."""

from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np

from adsp_mpi.core.actions import Pause
from adsp_mpi.core.board import Board, Stage
from adsp_mpi.core.models.asp import Asp
from adsp_mpi.core.patience import Process
from adsp_mpi.core.row import Row
from adsp_mpi.core.worker import Worker
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


def test_a_spare_is_admitted_while_all_workers_pause() -> None:
    """Real workers on a board in memory, who act whenever rank 0 reads its clock."""
    board = Board(3)
    board.set_lost(2, True)
    board.set_lost(1, True)
    board.assignment("share")[:] = [0, 1, -1]
    workers = [Worker(i, Asp(), 32, Row(row)) for i, row in enumerate(board.rows)]
    workers[0].steps = 7
    workers[0].row.count("steps", 7)
    seconds = count()
    stages: set[Stage] = set()

    def now() -> float:
        second = float(next(seconds))
        stages.add(board.stage)
        for worker in (workers[0], workers[2]):
            action = worker.next(second, board)
            if isinstance(action, Pause) and action.due == Pause.ADMIT:
                worker.admitted(second, 0, board)
            board.column("heartbeat_s")[worker.index] = second
        return second

    world = SimpleNamespace(
        num_workers=3,
        rank_of=lambda worker: worker + 1,
        hosts=["a"] * 4,
        processes=SimpleNamespace(look=lambda: np.full(4, Process.RUNNING)),
    )
    told: list[tuple[str, str]] = []
    ready: Any = SimpleNamespace(world=world, num_shares=2, folder="r")
    Workers(ready, board, now, lambda *what: told.append(what)).take_in(2)
    assert stages == {Stage.PAUSE} and board.stage == Stage.TRAIN
    assert told == [("back", "worker 2 (rank 3 on a) takes part from step 7 on")]
    assert list(board.lost) == [False, True, False] and workers[2].steps == 7
    assert list(board.assignment("share")) == [0, 1, 1]
