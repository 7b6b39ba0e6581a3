"""Every worker commits 4 MB again and again; prints each one's times as JSON on rank 0."""

import json
import sys
import time

import numpy as np

from adsp_mpi.core.board import Board
from adsp_mpi.core.models.asp import Asp
from adsp_mpi.core.worker import Worker
from adsp_mpi.mpi.ranks.clock import align
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.board_client import WorkerBoard, server_board
from adsp_mpi.mpi.transport.choose import make_array
from adsp_mpi.mpi.transport.progress import ProgressHelper
from adsp_mpi.mpi.worker.commit import CommitPath
from tests.mpi.stress_commits import Integers

ELEMENTS = 1_000_000

if __name__ == "__main__":
    seconds = float(sys.argv[1])
    world = World()
    model = make_array(world, ELEMENTS, "f4")
    remote = make_array(world, Board.size(world.num_workers), "f8")
    clock = align(world)
    times: list[float] = []
    if world.is_server:
        board = server_board(world, remote)
        with ProgressHelper(world, board):
            while (board.column("presence") == 0).any():
                time.sleep(0.01)
            expected = (board.column("commits") * np.arange(1, world.num_workers + 1)).sum()
            exact = bool((model.memory == expected).all())
            world.wait_for_all()
    else:
        client = WorkerBoard(world, remote)
        worker = Worker(world.worker, Asp(), row=client.row)
        replica = Integers(ELEMENTS, world.rank)
        commits = CommitPath(model, client, worker, replica, clock.now, 0.0)  # type: ignore[arg-type]
        while clock.now() < seconds:
            begun = clock.now()
            worker.commit_begun(begun)
            commits.begin(1.0, 0.0)
            commits.finish()
            worker.commit_done(clock.now(), 0.0)
            times.append(clock.now() - begun)
            time.sleep(0.1)
        client.row.presence = 1
        client.publish(clock.now())
        client.finish()
        world.wait_for_all()
    everyone = world.allgather(times)
    if world.is_server:
        print(json.dumps({"exact": exact, "times": everyone[1:]}), flush=True)
    model.free()
    remote.free()
