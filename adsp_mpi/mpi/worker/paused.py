"""A worker's work during a pause: write its part of a checkpoint, return to a snapshot, or be
admitted."""

from typing import Callable

from adsp_mpi.core.actions import Pause
from adsp_mpi.core.worker import Worker
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.worker.checkpoint import WorkerSaver
from adsp_mpi.mpi.worker.commit import CommitPath


class PausedWork:
    """Carries out what is due in a `Pause`, and tells the worker and rank 0."""

    def __init__(
        self,
        worker: Worker,
        client: WorkerBoard,
        commits: CommitPath,
        saver: WorkerSaver,
        now: Callable[[], float],
    ) -> None:
        self._worker = worker
        self._client = client
        self._commits = commits
        self._saver = saver
        self._now = now

    def do(self, due: str) -> None:
        """Do what is `due` in the `Pause`; nothing if it is empty."""
        worker, board = self._worker, self._client.board
        if due == Pause.SAVE:
            worker.saved(board.checkpoint, self._saver.save(board.checkpoint))
        elif due == Pause.RESTORE:
            worker.restored(self._now(), self._commits.fetch(), board.restores)
            self._saver.training.return_to_snapshot()
        elif due == Pause.KEEP:
            self._saver.training.keep_snapshot()
            worker.kept(board.snapshots)
        elif due == Pause.ADMIT:
            worker.admitted(self._now(), self._commits.fetch(), board)
            self._saver.training.begin_anew()
        else:
            return
        self._client.publish(self._now())
        if due == Pause.ADMIT:
            share = int(board.assignment("share")[worker.index])
            self._saver.training.take_share(share)
