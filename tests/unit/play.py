"""A board with workers that act in any order, to test decisions without an engine."""

from adsp_mpi.core.actions import Commit, Leave, Pause, Pull, Run, Step, Wait, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.row import Row
from adsp_mpi.core.scheduler import put_on_board
from adsp_mpi.core.worker import Worker


class Play:
    """The model is the list of (worker, round) commits in it; commits land at once."""

    def __init__(self, sync: SyncModel, num_workers: int, batch_size: int = 8) -> None:
        self.sync = sync
        self.now = 0.0
        self.model: list[tuple[int, int]] = []
        self.board = Board(num_workers)
        self.me = [Worker(i, sync, batch_size, Row(row)) for i, row in enumerate(self.board.rows)]
        self.pulled: list[list[int]] = [[] for _ in self.me]
        self.plans: list[list[tuple[float, int]]] = [[] for _ in self.me]
        self.waits = 0
        self.waiting_run: Run | None = None

    def steer(self, run: Run, paused: bool = False) -> None:
        """What the server does with a Run: what has to wait is tried again at every act."""
        self.waiting_run = None if put_on_board(run, self.board, paused) else run

    def decide(self, i: int) -> WorkerAction | Pause | Leave:
        return self.me[i].next(self.now, self.board)

    def act(self, i: int) -> None:
        """Worker i does its next action; a second passes."""
        self.now += 1.0
        if self.waiting_run:
            self.steer(self.waiting_run)
        me, action = self.me[i], self.decide(i)
        if isinstance(action, Step):
            me.stepped(self.now, 1.0, 0.0, loss=1.0)
        elif isinstance(action, Commit):
            self.plans[i].append((me.local_steps, me.batch_size))
            me.commit_begun(self.now)
            me.commit_landed(len(self.model), sent_bytes=4)
            me.commit_done(self.now, blocked_s=0.0)
            self.model.append((i, me.rounds))
        elif isinstance(action, Pull):
            me.pulled(self.now, 0.0, 0.0, action.keep_local, len(self.model))
            self.pulled[i].append(len(self.model))
        elif isinstance(action, Wait):
            self.waits += 1
