"""A simulated worker: asks the synchronization model what comes next and books when it is over."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adsp_mpi.core.actions import Commit, Pull, Step, Wait
from adsp_mpi.core.board import Presence, Row, Stage
from adsp_mpi.core.commit_rule import Landing
from adsp_mpi.core.worker import WorkerState
from adsp_mpi.errors import AdspError
from adsp_mpi.sim.board import ANY_COUNT, STAGE
from adsp_mpi.sim.problem import Learner

if TYPE_CHECKING:
    from adsp_mpi.sim.engine import Engine

MOST_AT_ONCE = 1000
"""Actions that take no time, in a row; a model that asks for more would never end."""


@dataclass(slots=True)
class Waiting:
    """Since when and what for a worker waits, and which name on the board it asked for."""

    since_s: float
    reason: str
    asked: str
    version: int
    seen: float


class SimWorker:
    """One worker. A step's gradient is computed as it begins; time passes afterwards.

    A commit that lands meanwhile adds to the local model as it would have a moment earlier or
    later: rebasing and steps are sums.
    """

    def __init__(self, engine: "Engine", index: int, learner: Learner) -> None:
        self.index = index
        self.me = WorkerState(index, engine.batch_size)
        self.waiting: Waiting | None = None
        self.row = Row(engine.board.rows[index])
        self._engine = engine
        self._board = engine.board
        self._clock = engine.clock
        self._sync = engine.sync
        self.learner = learner
        self._pull_busy_s = engine.profile.workers[index].busy_s
        self._commit_busy_s = 0.0 if self._sync.blocking_commits else self._pull_busy_s
        self.standing_since: float | None = None  # until its commit in flight has landed
        self.loss = 0.0
        self.step_begun: tuple[float, float, int, float] = (0.0, 0.0, 0, 0.0)
        self.commit_begun: tuple[int, int, float] = (0, 0, 0.0)
        self.pull_begun: tuple[float, bool, int, float] = (0.0, False, 0, 0.0)
        self.landed_at_base = 0

    def go_on(self) -> None:
        """Decide, and again after everything that takes no time."""
        board, me, clock = self._board, self.me, self._clock
        for _ in range(MOST_AT_ONCE):
            if board.stage is not Stage.TRAIN:
                self._stop_training()
                return
            if board.version != me.version:
                assigned = int(board.batch_sizes[self.index])
                me.follow(board.version, board.targets, assigned)
            board.seen, board.asked = math.nan, ANY_COUNT
            action = self._sync.next_action(clock.now, me, board)
            if type(action) is Wait:
                self._wait(action)
                return
            self._end_wait()
            if type(action) is Step:
                self._begin_step()
                return
            if type(action) is Commit:
                occupied = self._commit(action.weight)
            elif type(action) is Pull:
                occupied = self._pull(action.keep_local)
            else:
                raise AdspError(
                    f"{type(self._sync).__name__}.next_action returned {action!r}: it must be "
                    "Step(), Commit(), Pull() or Wait(reason)"
                )
            if occupied:
                return
        raise AdspError(
            f"{type(self._sync).__name__}.next_action asked {MOST_AT_ONCE} times in a row for what "
            f"takes no time, last {action!r} of worker {self.index}"
        )

    def _begin_step(self) -> None:
        engine, me = self._engine, self.me
        if me.steps >= engine.max_steps:
            self._take_leave()
            return
        start_s = self._clock.now
        me.begin_step()
        loss = self.learner.step(me.batch_size)
        if not math.isfinite(loss):
            raise AdspError(
                f"worker {self.index}: the loss became {loss} at its step {me.steps + 1}; "
                "try a smaller train.local_lr or sync.global_lr"
            )
        conditions = engine.profile.at(self.index, start_s, me.steps)
        seconds = conditions.step_time_s * me.batch_share
        self.loss = loss
        self.step_begun = (start_s, seconds, me.version, self._board.seen)
        self._clock.at(start_s + seconds, self._clock.WORKER, self.end_step)

    def end_step(self) -> None:
        me, engine = self.me, self._engine
        start_s, seconds, version, seen = self.step_begun
        me.stepped(seconds)
        self._board.write(self.index, "steps", me.steps)
        self.row.stepped(me.steps, self.loss, seconds, 0.0, me.batch_size)
        engine.rows.steps.append(
            self.index, start_s, seconds, 0.0, self.loss, me.batch_size, version, seen
        )
        engine.actions += 1
        self.go_on()

    def _commit(self, weight: float) -> bool:
        """Begin a commit; whether the worker goes on only later."""
        self._begin_commit(weight)
        if self._sync.blocking_commits:
            self.standing_since = self._clock.now
        elif self._commit_busy_s:
            self._clock.at(self._clock.now + self._commit_busy_s, self._clock.WORKER, self.go_on)
        else:
            return False
        return True

    def _begin_commit(self, weight: float) -> None:
        me, engine = self.me, self._engine
        now = self._clock.now
        self.commit_begun = (me.steps_since_commit, me.version, self._board.seen)
        me.commit_begun(now)
        self._board.write(self.index, "begun", me.begun)
        engine.exchange.take(self.index, self.learner, weight * engine.global_lr)
        conditions = engine.profile.at(self.index, now, me.steps)
        engine.links.send(conditions, self.arrive if self._commit_busy_s else self.land)
        engine.actions += 1

    def arrive(self) -> None:
        """The commit in flight lands, no sooner than its worker is done with sending it."""
        sent_s = self.me.last_commit_begun_s + self._commit_busy_s
        if self._clock.now < sent_s:
            self._clock.at(sent_s, self._clock.LANDING, self.land)
        else:
            self.land()

    def land(self) -> None:
        """The commit in flight arrives as a whole."""
        me, engine, board, now = self.me, self._engine, self._board, self._clock.now
        landed_before = board.landed
        staleness = landed_before - self.landed_at_base
        engine.exchange.land(Landing(self.index, staleness), self.learner)
        board.counters[0] += 1
        me.commit_done(now)
        self.landed_at_base = landed_before + 1
        since_s = self.standing_since
        stood_s = 0.0 if since_s is None else now - since_s
        self._book_commit(self._commit_busy_s + stood_s, staleness)
        board.write(self.index, "commits", me.commits)
        board.write(self.index, "rounds", me.rounds)
        if since_s is not None:
            self.standing_since = None
            self.go_on()
        elif self.waiting:
            engine.wake(self)

    def _book_commit(self, blocked_s: float, staleness: int) -> None:
        me, row, engine = self.me, self.row, self._engine
        row.commit_s += blocked_s
        row.sent_mb += engine.exchange.commit_bytes / 1e6
        row.staleness += staleness
        steps, version, seen = self.commit_begun
        engine.rows.commits.append(
            self.index, me.last_commit_begun_s, self._clock.now, me.commits, steps, staleness,
            blocked_s, engine.exchange.commit_bytes, version, seen,
        )  # fmt: skip

    def _pull(self, keep_local: bool) -> bool:
        """Begin a pull; whether the worker goes on only later."""
        clock = self._clock
        self.pull_begun = (clock.now, keep_local, self.me.version, self._board.seen)
        if not self._pull_busy_s:
            self._end_pull()
            return False
        clock.at(clock.now + self._pull_busy_s, clock.WORKER, self.end_busy_pull)
        return True

    def end_busy_pull(self) -> None:
        self.row.commit_s += self._pull_busy_s
        self._end_pull()
        self.go_on()

    def _end_pull(self) -> None:
        """Take the global model as it is now."""
        start_s, keep_local, version, seen = self.pull_begun
        me, engine = self.me, self._engine
        self.landed_at_base = self._board.landed
        engine.exchange.pull(self.index, self.learner, keep_local)
        me.pulled()
        self._board.write(self.index, "pulls", me.pulls)
        seconds = self._clock.now - start_s
        engine.rows.pulls.append(self.index, start_s, seconds, keep_local, version, seen)
        engine.actions += 1

    def _stop_training(self) -> None:
        """Not before the commit in flight has landed: stand still for a snapshot, or leave."""
        self._end_wait()
        if self.me.in_flight:
            self.standing_since = self._clock.now
        elif self._board.stage is Stage.PAUSE:
            self._await_snapshot()
            self._board.set_presence(self.index, Presence.PAUSED)
        else:
            self._board.set_presence(self.index, Presence.LEFT)

    def _take_leave(self) -> None:
        """All its steps are taken: commit what is left and leave."""
        leftovers = self.me.steps_since_commit and not self.me.in_flight
        if self._sync.commits_leftovers and leftovers and self._commit(1.0):
            return
        if self.me.in_flight:
            self.standing_since = self._clock.now
        else:
            self._board.set_presence(self.index, Presence.LEFT)

    def wake(self) -> None:
        """What it waited for may have come."""
        if self.waiting and self.waiting.asked == STAGE:
            self._look_during_pause()
        else:
            self.go_on()

    def _await_snapshot(self) -> None:
        self._board.asked, self._board.seen = STAGE, math.nan
        self._wait(Wait("a snapshot"))

    def _look_during_pause(self) -> None:
        """Standing still: take the snapshot when told to, train on when the pause is over."""
        board = self._board
        if board.restores > self.row.restores:
            self.landed_at_base = board.landed
            self._engine.exchange.fetch(self.index, self.learner)
            self.me.restored(self._clock.now)
            board.write(self.index, "rounds", 0)
            board.write(self.index, "pulls", 0)
            self.row.restores = board.restores
        if board.stage is Stage.PAUSE:
            self._await_snapshot()
        else:
            board.set_presence(self.index, Presence.TRAINING)
            self._end_wait()
            self.go_on()

    def _wait(self, wait: Wait) -> None:
        if self.waiting is None:
            board, now = self._board, self._clock.now
            self.waiting = Waiting(now, wait.reason, board.asked, self.me.version, board.seen)
        self.waiting.asked = self._board.asked
        self._engine.wait(self, wait.until_s)

    def _end_wait(self) -> None:
        waiting = self.waiting
        if waiting is None:
            return
        self.waiting = None
        seconds = self._clock.now - waiting.since_s
        self.row.wait_s += seconds
        self._engine.rows.waits.append(
            self.index, waiting.since_s, seconds, waiting.reason, waiting.version, waiting.seen
        )
