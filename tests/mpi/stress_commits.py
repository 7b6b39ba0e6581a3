"""Workers commit known integers with random pauses; nothing is lost or doubled.

The arguments are seconds, and models such as `1:usual:1000`: the number of servers, the kind of
array (`usual` is what a run would take here) and its number of elements. Prints a line of JSON for
each on rank 0. No torch: the commit path sees arrays only.
"""

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
from adsp_mpi.mpi.transport.choose import make_array, make_model_array, self_test
from adsp_mpi.mpi.transport.one_sided import WindowArray
from adsp_mpi.mpi.transport.progress import ProgressHelper
from adsp_mpi.mpi.transport.remote_array import CHUNK_ELEMENTS, RemoteArray
from adsp_mpi.mpi.transport.sharded import ShardedArray
from adsp_mpi.mpi.transport.two_sided import TwoSidedArray
from adsp_mpi.mpi.worker.commit import CommitPath


class Integers:
    """A replica whose update is one integer in every element."""

    averages_buffers = False
    has_parts = True
    taken = True

    def __init__(self, elements: int, value: int) -> None:
        self.update = np.full(elements, value, np.float32)
        self.answer = np.zeros(elements, np.float32)
        self.num_rebased = elements
        self.seen: list[float] = []

    def take_update(self, factor: float) -> np.ndarray:
        return self.update

    def gather(self) -> None:
        pass

    def take_part(self, part: slice, factor: float) -> tuple[np.ndarray, np.ndarray]:
        return self.update[part], self.answer[part]

    def land_part(self, part: slice) -> None:
        if not part.start:
            self.rebase()

    def settle(self) -> None:
        pass

    def rebase(self) -> None:
        self.seen.append(float(self.answer[0]))

    def replace(self) -> None:
        pass


KINDS: dict[str, type[RemoteArray]] = {"window": WindowArray, "messages": TwoSidedArray}


def main(seconds: float, models: list[str]) -> None:
    for servers, kind, elements in (model.split(":") for model in models):
        stress(World(num_servers=int(servers)), int(elements), seconds, kind)


def stress(world: World, elements: int, seconds: float, kind: str) -> None:
    """Collective: one model, created, stressed, checked and freed."""
    model, remote = make_arrays(world, elements, kind)
    self_test(world, model)
    clock = align(world)
    if world.is_server:
        board = server_board(world, remote)
        with ProgressHelper(world, board):
            while (board.column("presence") == 0).any():
                time.sleep(0.01)
        world.wait_for_all()
        board.validate()
        commits = board.column("commits")
        expected = int((commits * np.arange(1, world.num_workers + 1)).sum())
        held = model.load(np.empty(elements, np.float32))
        wrong = int((held != expected).sum())
        facts = {
            "commits": commits.tolist(),
            "begun": board.column("begun").tolist(),
            "landed": board.landed,
            "expected": expected,
            "wrong": wrong,
        }
        print(json.dumps(facts), flush=True)
    elif world.is_shard:
        world.wait_for_all()
    else:
        work(world, model, WorkerBoard(world, remote), clock.now, seconds)
        world.wait_for_all()
    world.wait_for_all()
    model.free()
    remote.free()


def make_arrays(world: World, elements: int, kind: str) -> tuple[RemoteArray, RemoteArray]:
    """The arrays of model and board: those that a run would take, or of the given kind."""
    board_size = Board.size(world.num_workers)
    if kind == "usual":
        model = make_model_array(world, elements, CHUNK_ELEMENTS)
        return model, make_array(world, board_size, "f8")

    def make(size: int, root: int) -> RemoteArray:
        return KINDS[kind](world, size, "f4", CHUNK_ELEMENTS, root)

    model = ShardedArray(world, elements, "f4", CHUNK_ELEMENTS, make)
    return model, KINDS[kind](world, board_size, "f8", CHUNK_ELEMENTS)


def work(world: World, model: RemoteArray, board: WorkerBoard, now, seconds: float) -> None:
    generator = np.random.default_rng([5, world.worker])
    replica = Integers(model.num_elements, world.worker + 1)
    worker = Worker(world.worker, Asp(), row=board.row)
    commits = CommitPath(model, board, worker, replica, now, 0.0)  # type: ignore[arg-type]
    end = now() + seconds
    while now() < end:
        worker.commit_begun(now())
        commits.begin(1.0, delay_s=float(generator.choice([0, 0, 0.002])))
        while not commits.poll():
            time.sleep(generator.exponential(3e-4))
        worker.commit_done(now(), 0.0)
        if generator.random() < 0.3:
            time.sleep(generator.exponential(2e-3))
        board.refresh()
    assert replica.seen == sorted(replica.seen), "the model went backwards"
    board.row.presence = 1
    board.publish(now())
    board.finish()


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
