"""Rank 0's part of a run: starts the server, ends the run in order, writes the results."""

import shutil
import time
from functools import partial
from pathlib import Path
from typing import Callable

import numpy as np

from adsp_mpi.core.board import Board, Presence, Stage
from adsp_mpi.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    AdspError,
    Elsewhere,
    Interrupted,
    unexpected,
)
from adsp_mpi.events import Events
from adsp_mpi.learn.model_file import require_format
from adsp_mpi.learn.workload import Judge
from adsp_mpi.mpi.faults.shard_watch import ShardWatch
from adsp_mpi.mpi.ranks.abort import dismiss_guard
from adsp_mpi.mpi.ranks.clock import align
from adsp_mpi.mpi.ranks.periodic import PeriodicThread
from adsp_mpi.mpi.server.checkpoint import ServerSaver
from adsp_mpi.mpi.server.evaluator import EvaluatorRank
from adsp_mpi.mpi.server.global_model import GlobalModel
from adsp_mpi.mpi.server.loop import Server
from adsp_mpi.mpi.server.results import Result, write_results
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.mpi.transport.board_client import server_board
from adsp_mpi.mpi.transport.progress import ProgressHelper
from adsp_mpi.mpi.transport.remote_array import ArrayInOnePlace, RemoteArray
from adsp_mpi.runtime.run_folder import how_to_resume
from adsp_mpi.runtime.server_trace import ServerTrace, part_path
from adsp_mpi.runtime.signals import Signals
from adsp_mpi.screen import Screen, make_screen
from adsp_mpi.trace import schema
from adsp_mpi.trace.part_writer import PartWriter

LINGERS_S = 2.0
"""Where some ranks are dead rank 0 leaves alone: until then the others have read that all is over,
which over a network they cannot do without it."""

LIFE_S = 0.5
"""The time between two heartbeats of rank 0 on the board, which come from a thread."""


def serve(
    ready: Prepared, window: RemoteArray, remote: ArrayInOnePlace, signals: Signals
) -> Result:
    """Run rank 0 from the initial model to the last table. Raises the error of a failed run."""
    world, config = ready.world, ready.config
    board = server_board(world, remote)

    def build() -> tuple[Judge | None, PartWriter, Screen]:
        require_format(config.run.models)
        import scipy.optimize  # noqa: F401  imported before the search's first fit needs it

        window.store(initial_values(ready))
        share_out(board, ready.num_shares)
        if ready.resumes and ready.same_workers:
            put_back(board, ready.resumes.state["server"]["board"])
        judge = ready.workload.judge()
        if judge and world.evaluator >= 0:
            judge = EvaluatorRank(world, board, ready.model, judge)
        keep = ready.resumes.state["part_bytes"] if ready.resumes else 0
        part = PartWriter(part_path(ready.folder, 0), 0, config.trace.flush_s, keep)
        part.attributes("/", ready.attributes())
        if ready.resumes:
            part.event(ready.resumes.begin_s, "resume", ready.resumes.text(world.num_workers))
        return judge, part, make_screen(config.run.screen)

    judge, part, screen = world.agree(build)
    trace = ServerTrace(part)
    events = Events(trace, screen, ready.workload.loggers, ready.workload.callbacks)
    saver = ServerSaver(ready, part)
    rule = config.sync_model.commit_rule()
    model = GlobalModel(window, rule, ready.model.num_trainable)
    server = Server(ready, judge, model, board, trace, events, saver, signals)
    try:
        clock = align(world, ready.begin_s)
        start_unix_s = time.time() - clock.now()
        facts = {"start_unix_s": start_unix_s, "chunk_elements": window.chunk_elements}
        part.attributes("/", facts)
        failure = not_begun = _attempt(partial(server.start, clock))
        if not_begun:
            board.stage = Stage.STOP
        world.wait_for_all()
        dismiss_guard()

        def show_life() -> None:
            board.server_s = clock.now()

        life = PeriodicThread(show_life, LIFE_S)
        with ProgressHelper(world, board), ShardWatch(ready, window), life:
            failure = failure or _attempt(server.run)
            closing = _attempt(partial(server.close, good=failure is None))
            screen.close()
            if not_begun:
                _remove_parts(ready.folder, trace)
            else:
                result, unwritten = write_results(ready, server, trace)
                closing = closing or unwritten
            failure = failure or closing or _failure_of_others(server, ready.folder)
            board.exit_code = failure.exit_code if failure else EXIT_DONE
            board.stage = Stage.CLOSED
            server.workers.wait_for_presence(Presence.GONE)
            world.lost_ranks = bool(board.lost.any())
            board.stage = Stage.OVER
            if world.lost_ranks and not world.one_node:
                time.sleep(LINGERS_S)
                server.workers.warn_of_hosts()
    finally:
        screen.close()
        trace.part.close()
        board.stage = Stage.OVER
    if failure:
        raise failure
    return result


def initial_values(ready: Prepared) -> np.ndarray:
    """The initial model, float32[P]; UsageError if the checkpoint is of another model."""
    if not ready.resumes:
        return ready.model.values.cpu().numpy()
    state = ready.resumes.state
    ready.model.require_layout(state["layout"], f"checkpoint {ready.resumes.path}")
    return state["server"]["model"]["values"]


def share_out(board: Board, num_shares: int) -> None:
    """Give every worker a share of the data; spares get none and stay outside."""
    workers = np.arange(board.num_workers)
    board.assignment("share")[:] = np.where(workers < num_shares, workers, -1)
    board.assignment("lost")[:] = workers >= num_shares


def put_back(board: Board, data: np.ndarray) -> None:
    """Restore the board from a checkpoint with the same number of workers."""
    board.data[:] = data
    board.column("presence")[:] = Presence.TRAINING
    board.counters[1:] = 0
    board.stage = Stage.TRAIN


def _remove_parts(folder: Path, trace: ServerTrace) -> None:
    """Remove the parts of a run that trained nothing, so that the folder can be used again."""
    trace.part.close()
    shutil.rmtree(folder / schema.PARTS_NAME)


def _attempt(action: Callable[[], None]) -> AdspError | None:
    """Do `action`; returns its error, to be raised after the run has ended in order."""
    try:
        action()
    except AdspError as error:
        return error
    except (Exception, SystemExit) as error:
        return AdspError(f"rank 0: {unexpected(error)}")
    return None


def _failure_of_others(server: Server, folder: Path) -> AdspError | None:
    if server.board.failures:
        return Elsewhere(EXIT_FAILED)
    if server.stopped:
        return Interrupted(f"{server.stopped}; {how_to_resume(folder)}")
    return None
