"""Chooses the kind of remote array for these hosts and this MPI, and tests that it adds."""

from contextlib import suppress

import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.ranks.world import SERVER, World
from adsp_mpi.mpi.transport.mpi_library import excludes_others_in_flight, library_version
from adsp_mpi.mpi.transport.one_sided import WindowArray
from adsp_mpi.mpi.transport.remote_array import CHUNK_ELEMENTS, ArrayInOnePlace, RemoteArray
from adsp_mpi.mpi.transport.sharded import ShardedArray
from adsp_mpi.mpi.transport.shared_memory import NotShared, SharedArray
from adsp_mpi.mpi.transport.two_sided import TwoSidedArray


def make_array(
    world: World,
    num_elements: int,
    dtype: str,
    chunk_elements: int = CHUNK_ELEMENTS,
    root: int = SERVER,
) -> ArrayInOnePlace:
    """Collective: an array of zeros on rank `root`.

    On one node it is in shared memory. Elsewhere it is a window with one-sided operations, or, on
    an MPI where these exclude each other, an array with messages.
    """
    if world.one_node:
        with suppress(NotShared):
            return SharedArray(world, num_elements, dtype, chunk_elements, root)
    if excludes_others_in_flight(world):
        return TwoSidedArray(world, num_elements, dtype, chunk_elements, root)
    return WindowArray(world, num_elements, dtype, chunk_elements, root)


def make_model_array(world: World, num_elements: int, chunk_elements: int) -> RemoteArray:
    """Collective: an array of zeros for a model, float32[num_elements], on all servers."""

    def make(size: int, root: int) -> RemoteArray:
        return make_array(world, size, "f4", chunk_elements, root)

    if len(world.servers) == 1:
        return make(num_elements, SERVER)
    return ShardedArray(world, num_elements, "f4", chunk_elements, make)


def self_test(world: World, array: RemoteArray) -> None:
    """Collective: add known integers from every rank; AdspError unless all arrive exactly once.

    Leaves the array zero. Some MPI releases add wrongly on some transports.
    """
    count = min(array.num_elements, 3 * CHUNK_ELEMENTS // 2)
    rounds = 3
    mine = np.full(count, world.rank + 1, array.dtype)
    before, seen = np.zeros_like(mine), np.zeros_like(mine)
    for _ in range(rounds):
        wait_for(array.add(mine, before))
    array.flush()
    world.wait_for_all()
    array.read_now(seen)
    expected = rounds * sum(range(1, world.comm.size + 1))
    wrong = int((seen != expected).sum())
    world.wait_for_all()
    if world.is_server:
        held = array.load(np.empty(array.num_elements, array.dtype))
        wrong += int((held[:count] != expected).sum())
        array.store(0)
    world.wait_for_all()
    if wrong:
        raise AdspError(
            f"{array.way} adds wrongly: {wrong} of {count} elements are not {expected} after "
            f"sums by {world.comm.size} ranks ({library_version()}). With Open MPI try "
            "OMPI_MCA_osc=^ucx or OMPI_MCA_osc=sm,rdma; otherwise another MPI"
        )
