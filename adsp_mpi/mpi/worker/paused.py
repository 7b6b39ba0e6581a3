"""A worker's work during a pause: write its part of a checkpoint, return to a snapshot, or be
admitted."""

from typing import Callable

from adsp_mpi.core.actions import Pause
from adsp_mpi.core.worker import Worker
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.worker.checkpoint import WorkerSaver
from adsp_mpi.mpi.worker.commit import CommitPath


class PausedWork:
    """Carries out what is due in a `Pause`, and tells the worker and rank 0."""

    def __init__(
        self,
        worker: Worker,
        share: int,
        client: WorkerBoard,
        commits: CommitPath,
        saver: WorkerSaver,
        make_trainer: Callable[[int], Trainer],
        now: Callable[[], float],
    ) -> None:
        self._worker = worker
        self._share = share
        self._client = client
        self._commits = commits
        self._saver = saver
        self._make_trainer = make_trainer
        self._now = now

    def do(self, due: str) -> None:
        """Do what is `due` in the `Pause`; nothing if it is empty."""
        worker, board = self._worker, self._client.board
        if due == Pause.SAVE:
            worker.saved(board.checkpoint, self._saver.save(board.checkpoint))
        elif due == Pause.RESTORE:
            worker.restored(self._now(), self._commits.fetch(), board.restores)
        elif due == Pause.ADMIT:
            worker.admitted(self._now(), self._commits.fetch(), board)
        else:
            return
        self._client.publish(self._now())
        if due == Pause.ADMIT:
            self._take_share(int(board.assignment("share")[worker.index]))

    def _take_share(self, share: int) -> None:
        """Train on this share of the data from here on."""
        if share != self._share and share >= 0:
            self._share = share
            self._saver.trainer = self._make_trainer(share)
