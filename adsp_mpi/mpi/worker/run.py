"""A worker's part of a run: starts the loop, and leaves in order, even after a failure."""

import math
import sys
from contextlib import suppress
from functools import partial
from typing import Any

from mpi4py import MPI

from adsp_mpi.core.board import Presence, Stage
from adsp_mpi.core.patience import HEARTBEAT_S
from adsp_mpi.core.worker import Worker
from adsp_mpi.errors import EXIT_FAILED, AdspError, Elsewhere, cause, story
from adsp_mpi.learn.replica import Replica
from adsp_mpi.learn.steps import Steps
from adsp_mpi.learn.workload import Training
from adsp_mpi.mpi.faults.server_watch import ServerWatch
from adsp_mpi.mpi.ranks.abort import dismiss_guard
from adsp_mpi.mpi.ranks.backoff import wait_for, wait_until
from adsp_mpi.mpi.ranks.clock import Clock, align, measure_offset
from adsp_mpi.mpi.ranks.periodic import PeriodicThread
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.mpi.worker.checkpoint import WorkerSaver, saved_state
from adsp_mpi.mpi.worker.commit_paths import commit_path
from adsp_mpi.mpi.worker.dealt_counter import DealtCounter
from adsp_mpi.mpi.worker.loop import WorkerLoop
from adsp_mpi.mpi.worker.trace import WorkerTrace
from adsp_mpi.runtime.signals import Signals


def work(ready: Prepared, window: RemoteArray, board: WorkerBoard, signals: Signals) -> Steps[None]:
    """A worker from its first pull to its last commit; another's code takes the steps between.

    Raises its own error if it is the first of the run to fail, `Elsewhere` if another was.
    """
    world, config = ready.world, ready.config

    def build() -> tuple[Training, Replica, WorkerTrace, dict[str, Any]]:
        saved = saved_state(ready.resumes.path, world.worker) if ready.resumes else {}
        training = ready.workload.training(ready.first_share)
        keep = saved.get("part_bytes", sys.maxsize) if ready.resumes else 0
        trace = WorkerTrace(ready.folder, world, config.trace.flush_s, keep)
        step_time_s = ready.profile.workers[world.worker].step_time_s
        facts = {"host": world.host, "step_time_s": step_time_s, **ready.part_attributes()}
        trace.part.attributes(trace.group, facts)
        return training, Replica(ready.model, config.sync_model.same_base), trace, saved

    training, replica, trace, saved = world.agree(build)
    training.progress = lambda: board.board.progress
    clock = align(world, ready.begin_s)
    trace.part.attributes(trace.group, {"clock_offset_s": clock.offset_s})
    worker = Worker(
        world.worker,
        config.sync_model,
        config.train.batch_size,
        board.row,
        ready.workload.callbacks.with_commits(trace.tables, world.worker),
        config.stop.max_steps or math.inf,
    )
    commits = commit_path(window, board, worker, replica, clock.now, 1.0 / ready.num_shares)
    worker.landed_at_base = commits.fetch()
    saver = WorkerSaver(ready.folder, worker, training, replica, commits, trace.part)
    if ready.same_workers and ready.resumes:
        board.take_row()
        saver.resume(saved) if saved else saver.catch_up()
    if training.hand:
        training.hand.connect(world.worker, board.row, board.board, DealtCounter(board))
    watch = ServerWatch(ready.folder, world, trace.part, board)
    heart = PeriodicThread(partial(_beat, board, clock), HEARTBEAT_S, needs_mpi=True)
    world.wait_for_all()  # nobody commits until everyone holds the first model
    dismiss_guard()
    failure: AdspError | None = None
    with watch, heart:
        try:
            try:
                loop = WorkerLoop(ready, worker, commits, board, clock, trace.part, saver, signals)
                yield from loop.steps()
            except (Exception, SystemExit) as error:
                failure = _count_failure(error, world, board, trace, clock)
            commits.finish()
            _leave(world, worker, board, trace, clock, saver)
        except MPI.Exception:
            watch.leave("rank 0 cannot be reached any more")
    world.lost_ranks = bool(board.board.lost.any())
    if not world.lost_ranks:
        board.finish()
    if failure:
        raise failure
    if board.board.exit_code:
        raise Elsewhere(board.board.exit_code)


def _beat(board: WorkerBoard, clock: Clock) -> None:
    """Send a heartbeat, whatever the loop is busy with."""
    with suppress(MPI.Exception):  # the loop meets that too
        board.beat(clock.now())


def _count_failure(
    error: BaseException, world: World, board: WorkerBoard, trace: WorkerTrace, clock: Clock
) -> AdspError:
    """Count this failure; returns the error if it is the run's first, else `Elsewhere`."""
    counted, failures_before = board.count("failures")
    wait_for(counted)
    told = story(error)
    trace.part.event(clock.now(), "failure", told)
    if failures_before[0]:
        return Elsewhere(EXIT_FAILED)
    if isinstance(error, AdspError):
        return error
    where = f"worker {world.worker} (rank {world.rank} on {world.host})"
    return AdspError(f"{where}: {cause(error)}\n{told}")


def _leave(
    world: World,
    worker: Worker,
    board: WorkerBoard,
    trace: WorkerTrace,
    clock: Clock,
    saver: WorkerSaver,
) -> None:
    """Show the counts, write the last checkpoint, align the clock, and close the trace."""
    worker.left()
    board.row.trace_cut = bool(trace.part.cut)
    board.publish(clock.now())
    _wait_for_stage(board, Stage.STOP, clock)
    board.refresh_now()
    if board.board.checkpoint != board.row.checkpoint:
        worker.saved(board.board.checkpoint, saver.save(board.board.checkpoint))
        board.publish(clock.now())
    _wait_for_stage(board, Stage.ALIGN, clock)
    if board.board.stage == Stage.ALIGN and not board.board.lost[world.worker]:
        offset_s = measure_offset(world.comm)
        trace.part.attributes(trace.group, {"clock_offset_end_s": offset_s})
    trace.part.close()
    board.row.presence = Presence.CLOSED
    board.publish(clock.now())
    _wait_for_stage(board, Stage.CLOSED, clock)
    board.row.presence = Presence.GONE
    board.publish(clock.now())
    _wait_for_stage(board, Stage.OVER, clock)


def _wait_for_stage(board: WorkerBoard, stage: Stage, clock: Clock) -> None:
    def reached() -> bool:
        board.refresh(everything=False)
        board.show_life(clock.now())
        return board.board.stage >= stage

    wait_until(reached, longest_s=0.02)
