"""Chooses the commit path for the kind of array that holds the model."""

from typing import Callable

from adsp_mpi.core.worker import Worker
from adsp_mpi.learn.replica import Replica
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.transport.compressed import CompressedArray
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.mpi.transport.ruled import RuledArray
from adsp_mpi.mpi.worker.commit import CommitPath
from adsp_mpi.mpi.worker.commit_compressed import CompressedCommits
from adsp_mpi.mpi.worker.commit_ruled import RuledCommits


def commit_path(
    model: RemoteArray,
    board: WorkerBoard,
    worker: Worker,
    replica: Replica,
    now: Callable[[], float],
    buffer_share: float,
) -> CommitPath:
    """The commit path for this kind of array."""
    if isinstance(model, RuledArray):
        return RuledCommits(model, board, worker, replica, now, buffer_share)
    if isinstance(model, CompressedArray):
        return CompressedCommits(model, board, worker, replica, now, buffer_share)
    return CommitPath(model, board, worker, replica, now, buffer_share)
