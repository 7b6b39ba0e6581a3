"""What a worker does while it stands still: write its part of a checkpoint, take a snapshot, or
wait outside until rank 0 takes it in."""

from typing import Callable

from adsp_mpi.core.board import ASSIGNED_FIELDS, Presence, Stage
from adsp_mpi.core.worker import WorkerState
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.worker.checkpoint import WorkerSaver
from adsp_mpi.mpi.worker.commit import CommitPath


class Standing:
    """Follows what rank 0 asks of a worker that has no commit in flight."""

    def __init__(
        self,
        me: WorkerState,
        share: int,
        client: WorkerBoard,
        commits: CommitPath,
        saver: WorkerSaver,
        now: Callable[[], float],
    ) -> None:
        self.share = share
        """Of the data, that this worker trains on; -1: none yet."""

        self._me = me
        self._client, self._board, self._row = client, client.board, client.row
        self._commits = commits
        self._saver = saver
        self._now = now

    @property
    def is_outside(self) -> bool:
        """Rank 0 does not count on this worker: it is a spare, or was silent for too long."""
        return bool(self._board.lost[self._me.index])

    @property
    def lasts(self) -> bool:
        """It is not yet time to train on."""
        stage = self._board.stage
        return stage == Stage.PAUSE or (self.is_outside and stage == Stage.TRAIN)

    @property
    def reason(self) -> str:
        return "to be taken in" if self.is_outside else "a snapshot"

    def begin(self) -> None:
        self._tell(Presence.PAUSED)

    def end(self) -> None:
        self._tell(Presence.TRAINING)

    def follow(self) -> None:
        """Do what rank 0 has asked for since the last time."""
        self._client.refresh_now()
        board, row = self._board, self._row
        self._client.show_life(self._now())
        if board.assignment("admitted")[self._me.index] > row.admitted:
            self._enter()
        if board.checkpoint != row.checkpoint:
            row.disk_error = self._saver.save(board.checkpoint)
            row.checkpoint = board.checkpoint
            self._client.publish(self._now())
        if board.restores > row.restores:
            self._restore()

    def _restore(self) -> None:
        """Go back to the snapshot."""
        self._commits.fetch()
        self._me.restored(self._now())
        self._row.rounds = self._row.pulls = 0
        self._row.restores = self._board.restores
        self._client.publish(self._now())

    def _enter(self) -> None:
        """Go on from the global model and the counts that rank 0 has said."""
        me, row = self._me, self._row
        said = self._board.assigned[me.index].astype(int).tolist()
        now = dict(zip(ASSIGNED_FIELDS, said, strict=True))
        row.excused_steps += now["from_steps"] - me.steps
        row.excused_commits += now["from_commits"] - me.commits
        self._commits.fetch()
        me.admitted(
            now["from_steps"],
            now["from_commits"],
            now["from_rounds"],
            now["from_pulls"],
            self._now(),
        )
        self.share = now["share"]
        for name in ("steps", "begun", "commits", "rounds", "pulls"):
            setattr(row, name, getattr(me, name))
        row.longest_s = me.step_s + me.commit_s
        row.restores = self._board.restores
        row.admitted = now["admitted"]
        self._client.publish(self._now())

    def _tell(self, presence: Presence) -> None:
        self._row.presence = presence
        self._client.publish(self._now())
