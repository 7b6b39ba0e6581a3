"""The MPI library in use: its name, and how its one-sided operations behave."""

from mpi4py import MPI

from adsp_mpi.mpi.ranks.world import World


def library_version() -> str:
    """Name and version of the MPI in use, on one line."""
    first_line = MPI.Get_library_version().strip("\x00\n ").splitlines()[0]
    return " ".join(first_line.replace("Version:", "").split()).split(", package")[0]


def excludes_others_in_flight(world: World) -> bool:
    """Whether a one-sided operation in flight blocks all others until its origin calls MPI again.

    Open MPI's osc/rdma does so over a network: the origin takes a lock on rank 0, reads, writes
    and unlocks, each in a call into MPI of its own. During the origin's step or sleep one such
    operation starves every other rank, 4 MB take seconds, and a rank that dies keeps the lock.
    """
    threads = MPI.Query_thread() == MPI.THREAD_MULTIPLE
    return not world.one_node and MPI.get_vendor()[0] == "Open MPI" and threads
