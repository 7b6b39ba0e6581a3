"""Ranks beside rank 0 that train nothing: they serve a part of the model, or evaluate it."""

from typing import Callable

from adsp_mpi.core.board import Stage
from adsp_mpi.errors import Elsewhere
from adsp_mpi.learn.workload import Judge
from adsp_mpi.mpi.faults.server_watch import ServerWatch
from adsp_mpi.mpi.ranks.abort import dismiss_guard
from adsp_mpi.mpi.ranks.backoff import wait_for, wait_until
from adsp_mpi.mpi.ranks.clock import align
from adsp_mpi.mpi.server.evaluator import Evaluations, judge_or_refuse
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.mpi.transport.board_client import LOOK_S, BoardClient
from adsp_mpi.mpi.transport.progress import ProgressHelper
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.runtime.server_trace import part_path
from adsp_mpi.runtime.signals import Signals
from adsp_mpi.trace.part_writer import PartWriter


def keep_shard(ready: Prepared, remote: RemoteArray, signals: Signals) -> None:
    """Serve from the initial model to the end of the run; raises `Elsewhere` if the run fails."""
    client = BoardClient(ready.world, remote)
    part = ready.world.agree(lambda: _part(ready))
    _stand_by(ready, client, part, signals, "shard", "serves a part of the model", lambda: None)


def evaluate_models(ready: Prepared, remote: RemoteArray, signals: Signals) -> None:
    """Evaluate what rank 0 sends until the end of the run; raises `Elsewhere` if it fails."""
    client = BoardClient(ready.world, remote)

    def build() -> tuple[PartWriter, Judge]:
        return _part(ready), judge_or_refuse(ready.workload)

    part, judge = ready.world.agree(build)
    work = Evaluations(ready.world, client, ready.model, judge, ready.config.run.threads)
    _stand_by(ready, client, part, signals, "evaluator", "evaluates the model", work.go_on)
    if not ready.world.lost_ranks:
        work.close()


def _part(ready: Prepared) -> PartWriter:
    path, flush_s = part_path(ready.folder, ready.world.part), ready.config.trace.flush_s
    return PartWriter(path, ready.world.rank, flush_s)


def _stand_by(
    ready: Prepared,
    client: BoardClient,
    part: PartWriter,
    signals: Signals,
    kind: str,
    text: str,
    work: Callable[[], None],
) -> None:
    """Take part until the run is over, calling `work` often; the trace says `kind` and `text`."""
    world = ready.world
    clock = align(world, ready.begin_s)
    part.event(clock.now(), kind, f"{world.host} {text}")
    part.flush()  # before the barrier below: at the end rank 0 merges parts without this rank
    told = False

    def is_over() -> bool:
        nonlocal told
        work()
        client.refresh()
        if signals.received and not told:
            told = True
            wait_for(client.count("interrupts")[0])
        part.flush_if_due()
        return client.board.stage >= Stage.ALIGN

    def is_closed() -> bool:
        client.refresh(everything=False)
        return client.board.stage >= Stage.OVER

    world.wait_for_all(meanwhile=work)
    dismiss_guard()
    watch = ServerWatch(ready.folder, world, part, client)
    with watch, ProgressHelper(world, client.board):
        wait_until(is_over, longest_s=LOOK_S)
        part.close()
        wait_until(is_closed, longest_s=LOOK_S)
    world.lost_ranks = bool(client.board.lost.any())
    if not world.lost_ranks:
        client.finish()
    if client.board.exit_code:
        raise Elsewhere(client.board.exit_code)
