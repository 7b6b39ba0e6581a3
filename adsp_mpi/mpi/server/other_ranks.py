"""A rank that serves a part of the model, and sleeps until the run is over."""

from adsp_mpi.core.board import Stage
from adsp_mpi.errors import Elsewhere
from adsp_mpi.mpi.faults.server_watch import ServerWatch
from adsp_mpi.mpi.ranks.abort import dismiss_guard
from adsp_mpi.mpi.ranks.backoff import wait_for, wait_until
from adsp_mpi.mpi.ranks.clock import align
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.mpi.transport.board_client import LOOK_S, BoardClient
from adsp_mpi.mpi.transport.progress import ProgressHelper
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.runtime.server_trace import part_path
from adsp_mpi.runtime.signals import Signals
from adsp_mpi.trace.part_writer import PartWriter


def keep_shard(ready: Prepared, remote: RemoteArray, signals: Signals) -> None:
    """Serve from the initial model to the end of the run; raises `Elsewhere` if the run fails."""
    world = ready.world
    client = BoardClient(world, remote)

    def build() -> PartWriter:
        path, flush_s = part_path(ready.folder, world.part), ready.config.trace.flush_s
        return PartWriter(path, world.rank, flush_s)

    part = world.agree(build)
    clock = align(world, ready.begin_s)
    part.event(clock.now(), "shard", f"{world.host} serves a part of the model")
    told = False

    def is_over() -> bool:
        nonlocal told
        client.refresh()
        if signals.received and not told:
            told = True
            wait_for(client.count("interrupts")[0])
        part.flush_if_due()
        return client.board.stage >= Stage.ALIGN

    def is_closed() -> bool:
        client.refresh(everything=False)
        return client.board.stage >= Stage.OVER

    world.wait_for_all()
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
