"""A worker's protocol: what it does next, and what it counts, shows and records afterwards.

Both engines drive the same `Worker`, and so does the replay of a trace. A driver asks `next` what
to do, does it with its own clock, network and model, and reports it by calling the method for it,
such as `stepped` or `commit_begun`.
"""

import math

from adsp_mpi.core.actions import Commit, Leave, Pause, Pull, Step, Targets, Wait, WorkerAction
from adsp_mpi.core.board import ASSIGNED_FIELDS, Board, PauseReason, Presence, Stage
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.row import Row
from adsp_mpi.core.worker_state import Waiting, WorkerState
from adsp_mpi.core.worker_tables import NO_TABLES, Tables
from adsp_mpi.errors import AdspError


class Worker(WorkerState):
    """One worker of a run with the scheme `scheme`.

    It keeps `row`, its row of the board, up to date; the driver sends it if that is needed.
    """

    def __init__(
        self,
        index: int,
        scheme: SyncModel,
        batch_size: int = 1,
        row: Row | None = None,
        tables: Tables = NO_TABLES,
        max_steps: float = math.inf,
    ) -> None:
        super().__init__(index, batch_size)
        self.row = row or Row()
        self._scheme = scheme
        self._record_step, self._record_commit, self._record_pull, self._record_wait = tables
        self.max_steps = max_steps

    def next(self, now: float, board: Board) -> WorkerAction | Pause | Leave:
        """The action to do at `now`, decided anew at every call.

        After Pause or Leave, finish the commit in flight, if any, and ask again. Raises AdspError
        if the scheme returns something other than its actions.
        """
        if self.paused or self.rest_until_s or self.leaving or not board.trains(self.index):
            asked = self._stand_still(now, board)
            if asked is not None:
                return asked
        if board.version != self.version:
            assigned = int(board.batch_sizes[self.index])
            self.follow(board.version, board.targets, assigned)
        self.landed = board.landed
        board.forget_seen()
        action = self._scheme.next_action(now, self, board)
        self.seen = board.seen
        if isinstance(action, Step):
            if self.waiting is not None:
                self._end_wait(now)
            if self.steps >= self.max_steps:
                return self._last_action()
            if self.steps_since_commit == 0:
                self._take_up_plan()
        elif isinstance(action, Wait):
            self._begin_wait(now, action.reason)
        elif isinstance(action, (Commit, Pull)):
            self._end_wait(now)
        else:
            raise AdspError(
                f"{type(self._scheme).__name__}.next_action returned {action!r}: it must be "
                "Step(), Commit(), Pull() or Wait(reason)"
            )
        return action

    def _stand_still(self, now: float, board: Board) -> Wait | Pause | Leave | None:
        """The action of a worker that pauses, rests or leaves; None if it trains on now."""
        stage, outside = board.stage, board.is_lost(self.index)
        reason = (PauseReason.ADMISSION if outside else board.pause_reason).name.lower()
        if self.paused and (due := self._due(board, stage)):
            return Pause(reason, due)
        if stage is Stage.PAUSE or (stage is Stage.TRAIN and outside):
            if not (self.paused and self.waiting and self.waiting.reason == reason):
                self._end_wait(now)
                if not self.in_flight:
                    self._begin_pause(now, reason)
            return Pause(reason)
        if stage is not Stage.TRAIN:
            self._end_wait(now)
            return Leave()
        if self.paused:
            self._end_pause(now)
        self.leaving = self.leaving and self.steps >= self.max_steps
        return self._rest(now) or (Leave() if self.leaving else None)

    def _end_pause(self, now: float) -> None:
        """End the pause; what it cut off from a step's time is slept now, to keep the speed."""
        self.paused = False
        self.row.show(Presence.TRAINING)
        self.rest_until_s, self.rest_s = now + self.rest_s if self.rest_s else 0.0, 0.0
        if not self.rest_until_s:
            self._end_wait(now)

    def _rest(self, now: float) -> Wait | None:
        """The rest of a step's time that a pause cut short, as part of the pause's wait."""
        if self.waiting and now < self.rest_until_s:
            return Wait(self.waiting.reason, self.rest_until_s)
        if self.rest_until_s:
            self.rest_until_s = 0.0
            self._end_wait(now)
        return None

    def _due(self, board: Board, stage: Stage) -> str:
        """What rank 0 asks of a paused worker, as in `Pause.due`; "" for nothing."""
        if board.assignment("admitted")[self.index] > self.row.admitted:
            return Pause.ADMIT
        if stage is Stage.PAUSE and board.checkpoint != self.row.checkpoint:
            return Pause.SAVE
        if board.snapshots > self.row.snapshots:
            return Pause.KEEP
        return Pause.RESTORE if board.restores > self.row.restores else ""

    def _begin_pause(self, now: float, reason: str) -> None:
        if self.rest_until_s:
            self.rest_s, self.rest_until_s = max(0.0, self.rest_until_s - now), 0.0
        self.paused = True
        self.seen = math.nan
        self._begin_wait(now, reason)
        self.row.show(Presence.PAUSED)

    def _last_action(self) -> Commit | Leave:
        """After the last step: commit what is left, then leave."""
        if self._scheme.commits_leftovers and self.steps_since_commit and not self.in_flight:
            self.leaving = True
            return Commit()
        return Leave()

    def _take_up_plan(self) -> None:
        """Adopt the newest plan, before the first step since a commit."""
        if self.rounds >= self.targets.from_round:
            self.local_steps = self.targets.local_steps
            self.batch_size = self.assigned_batch_size or self.configured_batch_size

    def _begin_wait(self, now: float, reason: str) -> None:
        """Begin a wait, unless the worker waits already."""
        if self.waiting is None:
            self.waits += 1
            self.waiting = Waiting(now, reason, self.version, self.seen)

    def _end_wait(self, now: float) -> None:
        waiting = self.waiting
        if waiting is None:
            return
        self.waiting = None
        seconds = now - waiting.since_s
        self.row.wait_s += seconds
        self._record_wait(waiting.since_s, seconds, waiting.reason, waiting.version, waiting.seen)

    def follow(self, version: int, targets: Targets, assigned_batch_size: int = 0) -> None:
        """Adopt new targets, and compute the commits due under them."""
        self.version = version
        self.targets = targets
        self.assigned_batch_size = assigned_batch_size
        self.commits_due = targets.commit_target - self.begun

    def stepped(self, start_s: float, compute_s: float, sleep_s: float, loss: float) -> None:
        """Report that the step decided last is done."""
        self.step_s = compute_s + sleep_s
        self.steps += 1
        self.steps_since_commit += 1
        size = self.batch_size
        self.row.count("steps", self.steps)
        self.row.stepped(loss, compute_s, sleep_s, size)
        self._record_step(start_s, compute_s, sleep_s, loss, size, self.version, self.seen)

    def idled(self, start_s: float, seconds: float) -> None:
        """Report that the user's loop did something else than a step: it counts as a wait."""
        self.waits += 1
        self.row.wait_s += seconds
        self._record_wait(start_s, seconds, "idle", self.version, self.seen)

    def commit_begun(self, now: float) -> None:
        """Report that the commit decided last begins; RuntimeError if one is in flight."""
        if self.in_flight:
            raise RuntimeError(f"worker {self.index}: a second commit while one is in flight")
        self.begun += 1
        self.row.count("begun", self.begun)
        self.commit_steps = self.steps_since_commit
        self.commit_version, self.commit_seen = self.version, self.seen
        self.steps_since_commit = 0
        self.last_commit_begun_s = now

    def commit_landed(self, landed_before: int, sent_bytes: int) -> None:
        """Report that the commit in flight has landed, after `landed_before` commits of all.

        Only the row counts it now. The worker counts it at `commit_done`, when rank 0 has the row.
        """
        if not self.in_flight:
            raise RuntimeError(f"worker {self.index}: a commit landed that was not begun")
        self.staleness = self.lag_at(landed_before)
        self.landed_at_base = landed_before + 1
        self.sent_bytes = sent_bytes
        row = self.row
        row.landed(sent_bytes, self.staleness)
        row.count("commits", self.commits + 1)
        row.count("rounds", self.rounds + 1)

    def commit_done(self, now: float, blocked_s: float) -> None:
        """Report that the commit is done; it kept the worker from training for `blocked_s`."""
        if not self.in_flight:
            raise RuntimeError(f"worker {self.index}: a commit done that was not begun")
        begun_s = self.last_commit_begun_s
        self.commit_s = now - begun_s
        self.commits += 1
        self.rounds += 1
        if blocked_s:
            self.row.commit_s += blocked_s
        self._record_commit(
            begun_s, now, self.commits, self.commit_steps, self.staleness, blocked_s,
            self.sent_bytes, self.commit_version, self.commit_seen,
        )  # fmt: skip

    def pulled(
        self, start_s: float, seconds: float, blocked_s: float, keep_local: bool, landed: int
    ) -> None:
        """Report a pull of the global model, with at least `landed` commits of all in it."""
        if self.in_flight:
            raise RuntimeError(f"worker {self.index}: a pull while a commit is in flight")
        self.landed_at_base = landed
        self.pulls += 1
        self.row.count("pulls", self.pulls)
        if blocked_s:
            self.row.commit_s += blocked_s
        self._record_pull(start_s, seconds, keep_local, self.version, self.seen)

    def restored(self, now: float, landed: int, restores: int) -> None:
        """Report that the worker has the snapshot, by restore number `restores`; rounds restart."""
        self.landed_at_base = landed
        self.rounds = self.pulls = self.steps_since_commit = 0
        self.last_commit_begun_s = now
        self.row.count("rounds", 0)
        self.row.count("pulls", 0)
        self.row.restores = restores

    def admitted(self, now: float, landed: int, board: Board) -> None:
        """Report that the worker is admitted, with the global model and the counts on `board`.

        All workers pause. The counts are such that none waits for this one to catch up.
        """
        said = board.assigned[self.index].astype(int).tolist()
        counts = dict(zip(ASSIGNED_FIELDS, said, strict=True))
        row = self.row
        row.excused_steps += counts["from_steps"] - self.steps
        row.excused_commits += counts["from_commits"] - self.commits
        self.landed_at_base = landed
        self.steps = counts["from_steps"]
        self.begun = self.commits = counts["from_commits"]
        self.rounds, self.pulls = counts["from_rounds"], counts["from_pulls"]
        self.steps_since_commit = 0
        self.rest_s = 0.0
        self.leaving = False
        self.last_commit_begun_s = now
        for name in ("steps", "begun", "commits", "rounds", "pulls"):
            row.count(name, getattr(self, name))
        row.longest_s = self.step_s + self.commit_s
        row.restores, row.snapshots = board.restores, board.snapshots
        row.admitted = counts["admitted"]

    def kept(self, snapshots: int) -> None:
        """Report that the state of its optimizer is kept, for snapshot number `snapshots`."""
        self.row.snapshots = snapshots

    def saved(self, checkpoint: int, error: int) -> None:
        """Report that its part of a checkpoint is written; `error` is an errno if that failed."""
        self.row.disk_error = error
        self.row.checkpoint = checkpoint

    def take_counts_of_row(self) -> None:
        """Continue from the counts in its row, as a worker that had left the run before."""
        row = self.row
        self.steps = int(row.steps)
        self.begun = self.commits = int(row.commits)
        self.rounds, self.pulls = int(row.rounds), int(row.pulls)

    def left(self) -> None:
        """Report that the worker has left the training."""
        self.row.show(Presence.LEFT)
