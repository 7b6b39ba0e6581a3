"""The MPI library in use: its name, and how its one-sided operations behave."""

from mpi4py import MPI

from adsp_mpi.mpi.ranks.world import World


def library_version() -> str:
    """Name and version of the MPI in use, on one line."""
    first_line = MPI.Get_library_version().strip("\x00\n ").splitlines()[0]
    return " ".join(first_line.replace("Version:", "").split()).split(", package")[0]


def excludes_others_in_flight(world: World) -> bool:
    """Whether a one-sided operation in flight keeps all others out until its origin looks again.

    Open MPI's osc/rdma does over a network: the origin takes a lock on rank 0, reads, writes and
    unlocks, each in its own call into MPI. Left alone during a step or a sleep, one operation
    starves every other rank; 4 MB take seconds; and a rank that dies takes the lock along.
    """
    threads = MPI.Query_thread() == MPI.THREAD_MULTIPLE
    return not world.one_node and MPI.get_vendor()[0] == "Open MPI" and threads
