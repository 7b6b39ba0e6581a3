"""A run from start to end on one rank: set-up, the rank's part of the run, a clean end."""

from contextlib import ExitStack

from mpi4py import MPI

from adsp_mpi.config import Config
from adsp_mpi.core.board import Board
from adsp_mpi.errors import EXIT_DONE, AdspError, UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.replica import rebased_elements
from adsp_mpi.learn.task import Task
from adsp_mpi.mpi.ranks.abort import exit_if_stuck
from adsp_mpi.mpi.ranks.leaving import ROLL_CALL
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.server.results import Result
from adsp_mpi.mpi.server.run import serve
from adsp_mpi.mpi.server.shard import keep_shard
from adsp_mpi.mpi.setup import prepare
from adsp_mpi.mpi.transport.choose import make_array, make_model_array, self_test
from adsp_mpi.mpi.transport.chunk_size import chosen_chunk
from adsp_mpi.mpi.transport.compressed import CompressedArray
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.mpi.transport.ruled import RuledArray
from adsp_mpi.mpi.worker.run import work
from adsp_mpi.runtime.signals import Signals


def run(
    config: Config, task: Task | None = None, comm: MPI.Intracomm = MPI.COMM_WORLD
) -> Result | None:
    """Train as `config` says; collective over all ranks of `comm`.

    `task` replaces the configured one. Returns the Result on rank 0, None elsewhere. An error is
    raised with its message on one rank; the others raise `Elsewhere` without one.
    """
    world, stack = World(comm, config.run.servers), ExitStack()
    with Signals(has_launcher=True) as signals:
        try:
            result = _run(world, config, task, signals, stack)
        except AdspError as error:
            _close(world, stack, error.exit_code)
            raise
        # the others do not know of any other error: freeing windows would wait for them for ever
        _close(world, stack, EXIT_DONE)
    return result


def _close(world: World, stack: ExitStack, exit_code: int) -> None:
    """Free what all ranks created collectively, unless some of them are dead."""
    if world.lost_ranks or not world.all_come():
        ROLL_CALL.alone = True
        return
    with exit_if_stuck(exit_code):
        stack.close()


def _run(
    world: World, config: Config, task: Task | None, signals: Signals, stack: ExitStack
) -> Result | None:
    ready = prepare(world, config, task)
    if ready.lock:
        stack.callback(ready.lock.close)
    window = _make_window(world, config, ready.model)
    stack.callback(window.free)
    board = make_array(world, Board.size(world.num_workers), "f8")
    stack.callback(board.free)
    world.agree(lambda: self_test(world, window))
    if world.is_server:
        return serve(ready, window, board, signals)
    if world.is_shard:
        keep_shard(ready, board, signals)
        return None
    work(ready, window, board, signals)
    return None


def _make_window(world: World, config: Config, model: FlatModel) -> RemoteArray:
    """Collective: create the model's array on the servers, zeros, for the configured commits."""
    is_sum = config.sync_model.commit_rule().is_sum
    if is_sum and config.codec is None:
        return make_model_array(world, model.num_elements, chosen_chunk(world))
    world.agree(_require_threads)
    if not is_sum:
        return RuledArray(world, model.num_elements, chosen_chunk(world), model.num_trainable)
    assert config.codec
    num_rebased = rebased_elements(model, config.sync_model.same_base)
    return CompressedArray(world, model.num_elements, config.codec, num_rebased)


def _require_threads() -> None:
    if MPI.Query_thread() != MPI.THREAD_MULTIPLE:
        raise UsageError(
            "commits that are compressed, or follow a rule that is no sum, need an MPI with "
            "MPI_THREAD_MULTIPLE"
        )
