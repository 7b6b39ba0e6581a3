"""A run from start to end on one rank: set-up, the rank's part of the run, a clean end."""

from contextlib import ExitStack, contextmanager
from typing import Iterator

from mpi4py import MPI

from adsp_mpi.config import Config
from adsp_mpi.core.board import Board
from adsp_mpi.core.callbacks import NO_CALLBACKS, Callbacks
from adsp_mpi.errors import EXIT_DONE, AdspError, UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.replica import rebased_elements
from adsp_mpi.learn.steps import Steps, take_steps
from adsp_mpi.learn.task import Task
from adsp_mpi.mpi.ranks.abort import exit_if_stuck
from adsp_mpi.mpi.ranks.leaving import ROLL_CALL
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.server.other_ranks import evaluate_models, keep_shard
from adsp_mpi.mpi.server.results import Result
from adsp_mpi.mpi.server.run import serve
from adsp_mpi.mpi.setup import MakeWorkload, prepare
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.transport.choose import make_array, make_model_array, self_test
from adsp_mpi.mpi.transport.chunk_size import chosen_chunk
from adsp_mpi.mpi.transport.compressed import CompressedArray
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.mpi.transport.ruled import RuledArray
from adsp_mpi.mpi.worker.run import work
from adsp_mpi.runtime.signals import Signals
from adsp_mpi.runtime.task_workload import TaskWorkload, task_workload


def run(
    config: Config,
    task: Task | None = None,
    comm: MPI.Intracomm = MPI.COMM_WORLD,
    callbacks: Callbacks = NO_CALLBACKS,
) -> Result | None:
    """Train as `config` says; collective over all ranks of `comm`.

    `task` replaces the configured one; `callbacks` are called on this rank. Returns the Result on
    rank 0, None elsewhere. An error is raised with its message on one rank; the others raise
    `Elsewhere` without one.
    """
    here = RankRun(config, task_workload(task, callbacks), comm)
    workload = here.ready.workload
    assert isinstance(workload, TaskWorkload)
    try:
        return take_steps(here.steps(), workload.step)
    finally:
        workload.close()


class RankRun:
    """A run on this rank: made collectively, then gone through by `steps`.

    An error is raised with its message on one rank, as `Elsewhere` on the others.
    """

    def __init__(
        self, config: Config, make: MakeWorkload, comm: MPI.Intracomm = MPI.COMM_WORLD
    ) -> None:
        self._world = World(comm, config.run.servers, config.run.evaluator)
        self._stack = ExitStack()
        self._signals = Signals(has_launcher=True)
        self.board: WorkerBoard | None = None
        """On a worker, once its steps have begun."""

        with self._closing(), self._signals:
            self.ready = prepare(self._world, config, make)
        if self.ready.lock:
            self._stack.callback(self.ready.lock.close)

    def steps(self) -> Steps[Result | None]:
        """This rank's part, from the first pull to the end; returns the Result on rank 0."""
        with self._closing():
            result = yield from self._steps()
        # the others do not know of an unexpected error: only here they all free windows together
        self._close(EXIT_DONE)
        return result

    def _steps(self) -> Steps[Result | None]:
        ready, world, stack, signals = self.ready, self._world, self._stack, self._signals
        with signals:
            if _needs_threads(ready.config):
                world.agree(_require_threads)
            window = _make_window(world, ready.config, ready.model)
            stack.callback(window.free)
            board = make_array(world, Board.size(world.num_workers), "f8")
            stack.callback(board.free)
            world.agree(lambda: self_test(world, window))
            if world.is_server:
                return serve(ready, window, board, signals)
            if world.is_evaluator:
                evaluate_models(ready, board, signals)
            elif world.is_shard:
                keep_shard(ready, board, signals)
            else:
                self.board = WorkerBoard(world, board)
                yield from work(ready, window, self.board, signals)
        return None

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close the run after an error that all ranks know of."""
        try:
            yield
        except AdspError as error:
            self._close(error.exit_code)
            raise

    def _close(self, exit_code: int) -> None:
        """Free what all ranks created collectively, unless some of them are dead."""
        if self._world.lost_ranks or not self._world.all_come():
            ROLL_CALL.alone = True
            return
        with exit_if_stuck(exit_code):
            self._stack.close()


def _make_window(world: World, config: Config, model: FlatModel) -> RemoteArray:
    """Collective: create the model's array on the servers, zeros, for the configured commits."""
    is_sum = config.sync_model.commit_rule().is_sum
    if is_sum and config.codec is None:
        return make_model_array(world, model.num_elements, chosen_chunk(world))
    if not is_sum:
        return RuledArray(world, model.num_elements, chosen_chunk(world), model.num_trainable)
    assert config.codec
    num_rebased = rebased_elements(model, config.sync_model.same_base)
    return CompressedArray(world, model.num_elements, config.codec, num_rebased)


def _needs_threads(config: Config) -> bool:
    """Whether some thread beside a rank's own calls MPI."""
    is_sum = config.sync_model.commit_rule().is_sum
    return config.run.evaluator or config.codec is not None or not is_sum


def _require_threads() -> None:
    if MPI.Query_thread() != MPI.THREAD_MULTIPLE:
        raise UsageError(
            "an evaluator, and commits that are compressed or follow a rule that is no sum, need "
            "an MPI with MPI_THREAD_MULTIPLE"
        )
