"""Workers are killed in the middle of a large commit; the others go on and no sum is wrong.

The arguments are the numbers in the model, how many workers to kill, and a seed. Rank 0 kills one
worker after another with SIGKILL at a random moment of a commit, lets the others commit on, and
prints a line of JSON: what the board and the model say.
"""

import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from itertools import combinations

import numpy as np

from adsp_mpi.core.board import Board, Presence, Stage
from adsp_mpi.core.models.asp import Asp
from adsp_mpi.core.patience import Process
from adsp_mpi.core.worker import Worker
from adsp_mpi.mpi.ranks.abort import dismiss_guard, leave_at_once
from adsp_mpi.mpi.ranks.liveness import look_at
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.board_client import WorkerBoard, server_board
from adsp_mpi.mpi.transport.choose import make_array, make_model_array
from adsp_mpi.mpi.transport.remote_array import CHUNK_ELEMENTS, RemoteArray
from adsp_mpi.mpi.worker.commit import CommitPath
from tests.mpi.stress_commits import Integers

COMMITS_AFTER_A_KILL = 20
LONGEST_DELAY_S = 4e-3
LIMIT_S = 20.0


def main(elements: int, kills: int, seed: int) -> None:
    world = World()
    model = make_model_array(world, elements, CHUNK_ELEMENTS)
    remote = make_array(world, Board.size(world.num_workers), "f8")
    processes = world.allgather(os.getpid())
    dismiss_guard()  # a rank that is killed from here on does not end the others
    if world.is_server:
        board = server_board(world, remote)
        killed = kill_and_watch(processes[1:], board, kills, random.Random(seed))
        print(json.dumps(facts(model, board, killed)), flush=True)
    else:
        work(world, model, WorkerBoard(world, remote))
    leave_at_once(0)


def kill_and_watch(
    processes: list[int], board: Board, kills: int, draw: random.Random
) -> list[int]:
    """On rank 0: kill some of the workers with these process ids; returns those killed.

    Ends all ranks if the others do not go on.
    """
    victims = draw.sample(range(len(processes)), kills)
    living = set(range(len(processes)))
    for victim in victims:
        wait_for_commits(processes, board, living)
        kill_in_a_commit(processes, board, victim, draw)
        living.remove(victim)
    wait_for_commits(processes, board, living)
    board.stage = Stage.STOP
    wait_until(processes, lambda: all(board.column("presence")[list(living)] == Presence.LEFT))
    return victims


def wait_for_commits(processes: list[int], board: Board, living: set[int]) -> None:
    """Wait until each of these workers has made some more commits."""
    commits = board.column("commits")
    goal = commits + COMMITS_AFTER_A_KILL
    wait_until(processes, lambda: all(commits[w] >= goal[w] for w in living))


def wait_until(processes: list[int], holds) -> None:
    begun = time.monotonic()
    while not holds():
        time.sleep(0.01)
        if time.monotonic() - begun > LIMIT_S:
            print("the others do not go on", file=sys.stderr, flush=True)
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            leave_at_once(1)


def kill_in_a_commit(processes: list[int], board: Board, victim: int, draw: random.Random) -> None:
    """Wait for a commit of the worker, then for a random moment, then kill it if still in it."""
    begun, commits = board.column("begun"), board.column("commits")
    while True:
        while begun[victim] == commits[victim]:
            time.sleep(1e-5)
        time.sleep(draw.uniform(0.0, LONGEST_DELAY_S))
        if begun[victim] != commits[victim]:
            break
    os.kill(processes[victim], signal.SIGKILL)
    wait_until(processes, lambda: look_at(processes[victim]) == Process.DEAD)


def facts(model: RemoteArray, board: Board, killed: list[int]) -> dict[str, object]:
    """Facts to check: the model holds all whole commits, and any parts of the torn ones."""
    begun, commits = board.column("begun"), board.column("commits")
    added = np.arange(1, board.num_workers + 1)
    torn = [int(added[w]) for w in killed if begun[w] != commits[w]]
    excess = model.load(np.empty(model.num_elements, np.float32)) - float((commits * added).sum())
    return {
        "commits": commits.tolist(),
        "landed": board.landed,
        "torn": torn,
        "partly_there": int(((excess > 0) & (excess < sum(torn))).sum()),
        "wrong": int((~np.isin(excess, possible_sums(torn))).sum()),
    }


def possible_sums(torn: list[int]) -> list[int]:
    """The sums that torn commits can add to an element: each adds its whole value or nothing."""
    sizes = range(len(torn) + 1)
    return [sum(chosen) for size in sizes for chosen in combinations(torn, size)]


def work(world: World, model: RemoteArray, board: WorkerBoard) -> None:
    """Commit without a pause until the stage says stop."""
    replica = Integers(model.num_elements, world.worker + 1)
    worker = Worker(world.worker, Asp(), row=board.row)
    path = CommitPath(model, board, worker, replica, time.monotonic, 0.0)  # type: ignore[arg-type]
    while board.board.stage != Stage.STOP:
        worker.commit_begun(time.monotonic())
        path.begin(1.0, 0.0)
        path.finish()
        worker.commit_done(time.monotonic(), 0.0)
        board.refresh_now()
    worker.left()
    board.publish(time.monotonic())
    board.finish()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
