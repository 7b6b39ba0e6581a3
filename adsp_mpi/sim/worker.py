"""A simulated worker: asks its `Worker` what comes next, and books when that is over."""

import math
from typing import Any, Protocol

from adsp_mpi.core.actions import Commit, Pause, Pull, Step, Wait
from adsp_mpi.core.commit_rule import Landing
from adsp_mpi.core.hetero.profile import Profile
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker import Worker
from adsp_mpi.errors import AdspError
from adsp_mpi.learn.steps import NoMoreSteps
from adsp_mpi.sim.board import ANY_COUNT, PRESENCE, STAGE, LiveBoard
from adsp_mpi.sim.clock import VirtualClock
from adsp_mpi.sim.exchange import Exchange
from adsp_mpi.sim.links import Links
from adsp_mpi.sim.problem import Learner

MOST_AT_ONCE = 1000
"""The most actions in a row that take no time; a scheme that asks for more would never end."""

NUMBERS = ("asked", "blocked_since_s", "stalled_until_s", "step_begun", "pull_begun")
"""The fields of a simulated worker's state beside its `Worker` and its learner."""


class Host(Protocol):
    """What a simulated worker needs from its engine."""

    clock: VirtualClock
    board: LiveBoard
    sync: SyncModel
    profile: Profile
    exchange: Exchange
    links: Links
    global_lr: float
    actions: int

    @property
    def waits(self) -> "Waiters":
        """The engine's waiting workers."""


class Waiters(Protocol):
    """Wakes waiting workers."""

    waiting: dict[int, "SimWorker"]

    def wait(self, worker: "SimWorker", until_s: float) -> None:
        """Wake `worker` when the basis of its wait has changed, at `until_s` at the latest."""

    def wake(self, worker: "SimWorker") -> None:
        """Let a worker that waits decide again."""


class SimWorker:
    """Drives one `Worker` in virtual time.

    A step's gradient is computed at its begin; time passes afterwards. A commit that lands
    meanwhile may rebase the local model at once: rebases and steps are sums, so their order does
    not matter.
    """

    def __init__(self, host: Host, me: Worker, learner: Learner) -> None:
        self.index = me.index
        self.me = me
        self.learner = learner
        self._host = host
        self._board = host.board
        self._clock = host.clock
        self._blocking = host.sync.blocking_commits
        self._steady = host.profile.steady(me.index)
        self._pull_busy_s = host.profile.workers[me.index].busy_s
        self._commit_busy_s = 0.0 if self._blocking else self._pull_busy_s
        self.asked = ANY_COUNT
        """The name of the count on the board that it waits for."""

        self.blocked_since_s: float | None = None
        """When it began to stand still until its commit in flight has landed; None: it does not."""

        self.stalled_until_s = 0.0
        """When its stalled process continues; a moment that is over if it is not stalled."""

        self.step_begun: tuple[float, float, float] = (0.0, 0.0, 0.0)  # at, for seconds, loss
        self.pull_begun: tuple[float, bool] = (0.0, False)

    def go_on(self) -> None:
        """Decide and act until an action takes time."""
        board, me, clock = self._board, self.me, self._clock
        for _ in range(MOST_AT_ONCE):
            action = me.next(clock.now, board)
            if isinstance(action, Step):
                self._begin_step()
                return
            if isinstance(action, Wait):
                self.asked = board.asked
                self._host.waits.wait(self, action.until_s)
                return
            if isinstance(action, Commit):
                occupied = self._commit(action.weight)
            elif isinstance(action, Pull):
                occupied = self._pull(action.keep_local)
            elif isinstance(action, Pause):
                occupied = self._pause(action)
            else:
                self._leave()
                return
            if occupied:
                return
        raise AdspError(
            f"{type(self._host.sync).__name__}.next_action asked {MOST_AT_ONCE} times in a row for "
            f"what takes no time, last {action!r} of worker {self.index}"
        )

    def _begin_step(self) -> None:
        me, clock = self.me, self._clock
        start_s = clock.now
        try:
            loss = self.learner.step(me.batch_size)
        except NoMoreSteps:
            me.max_steps = me.steps
            self.go_on()
            return
        if self.learner.idle_s:
            me.idled(start_s, self.learner.idle_s)
            start_s += self.learner.idle_s
        if loss is None:
            loss = math.nan
        elif me.not_finite or not math.isfinite(loss):
            loss = me.checked_loss(loss)
        conditions = self._steady or self._host.profile.at(self.index, start_s, me.steps)
        seconds = conditions.step_time_s * me.batch_share
        self.step_begun = (start_s, seconds, loss)
        clock.at(start_s + seconds, clock.WORKER, self.end_step)

    def end_step(self) -> None:
        start_s, seconds, loss = self.step_begun
        self.me.stepped(start_s, seconds, 0.0, loss)
        self._host.actions += 1
        self.go_on()

    def _commit(self, weight: float) -> bool:
        """Begin a commit; returns whether it takes the worker's time."""
        host, me, clock = self._host, self.me, self._clock
        now = clock.now
        me.require_finite(self.learner.is_finite)
        me.commit_begun(now)
        host.exchange.take(self.index, self.learner, weight * host.global_lr)
        conditions = host.profile.at(self.index, now, me.steps)
        host.links.send(conditions, self.arrive if self._commit_busy_s else self.land)
        host.actions += 1
        if self._blocking:
            self.blocked_since_s = now
        elif self._commit_busy_s:
            clock.at(now + self._commit_busy_s, clock.WORKER, self.go_on)
        else:
            return False
        return True

    def arrive(self) -> None:
        """Land the commit in flight, but no sooner than the worker has finished sending it."""
        sent_s = self.me.last_commit_begun_s + self._commit_busy_s
        if self._clock.now < sent_s:
            self._clock.at(sent_s, self._clock.LANDING, self.land)
        else:
            self.land()

    def land(self) -> None:
        """Land the commit in flight as a whole."""
        host, me, now = self._host, self.me, self._clock.now
        if now < self.stalled_until_s:
            self._clock.at(self.stalled_until_s, self._clock.LANDING, self.land)
            return
        landed_before = self._board.landed
        landing = Landing(self.index, me.lag_at(landed_before))
        host.exchange.land(landing, self.learner)
        self._board.count_landed()
        since_s = self.blocked_since_s
        stood_s = 0.0 if since_s is None else now - since_s
        me.commit_landed(landed_before, host.exchange.commit_bytes)
        me.commit_done(now, self._commit_busy_s + stood_s)
        if since_s is not None:
            self.blocked_since_s = None
            self.go_on()
        elif me.waiting:
            host.waits.wake(self)

    def _pull(self, keep_local: bool) -> bool:
        """Begin a pull; returns whether it takes the worker's time."""
        clock = self._clock
        self.pull_begun = (clock.now, keep_local)
        if not self._pull_busy_s:
            self._end_pull()
            return False
        clock.at(clock.now + self._pull_busy_s, clock.WORKER, self.end_busy_pull)
        return True

    def end_busy_pull(self) -> None:
        self._end_pull()
        self.go_on()

    def _end_pull(self) -> None:
        """Finish the pull with the present global model."""
        start_s, keep_local = self.pull_begun
        host, now = self._host, self._clock.now
        host.exchange.pull(self.index, self.learner, keep_local)
        landed = self._board.landed
        self.me.pulled(start_s, now - start_s, self._pull_busy_s, keep_local, landed)
        host.actions += 1

    def _pause(self, pause: Pause) -> bool:
        """Do what is due in the pause; returns whether the worker goes on only later."""
        me, board = self.me, self._board
        if pause.due:
            self._do_due(pause.due)
            board.changed.add(PRESENCE)
            return False
        if me.in_flight:
            self.blocked_since_s = self._clock.now
        else:
            self.asked = STAGE
            self._host.waits.wait(self, math.inf)
        return True

    def _do_due(self, due: str) -> None:
        me, board, learner = self.me, self._board, self.learner
        if due == Pause.KEEP:
            learner.keep_snapshot()
            me.kept(board.snapshots)
            return
        self._host.exchange.fetch(self.index, learner)
        if due == Pause.RESTORE:
            me.restored(self._clock.now, board.landed, board.restores)
            learner.return_to_snapshot()
        else:
            me.admitted(self._clock.now, board.landed, board)
            learner.begin_anew()
            learner.take_share(int(board.assignment("share")[self.index]))

    def _leave(self) -> None:
        """Leave, but not before the commit in flight has landed."""
        if self.me.in_flight:
            self.blocked_since_s = self._clock.now
        else:
            self.me.left()

    def die(self) -> None:
        """End its process: it does nothing any more, and no part of its commit in flight lands."""
        self._clock.drop(lambda action: getattr(action, "__self__", None) is self)
        for landed in (self.land, self.arrive):
            self._host.links.drop(landed)
        self._host.exchange.drop(self.index)
        self._host.waits.waiting.pop(self.index, None)

    def stall(self, until_s: float) -> None:
        """Stop its process until then: its step takes longer, its commit lands later."""
        longer_s = until_s - max(self._clock.now, self.stalled_until_s)
        if longer_s <= 0:
            return
        self.stalled_until_s = until_s
        if self.end_step in self._clock.delay(self, longer_s):
            start_s, seconds, loss = self.step_begun
            self.step_begun = (start_s, seconds + longer_s, loss)

    def state_dict(self) -> dict[str, Any]:
        """The state without the learner's, for `load_state_dict`."""
        return {"me": self.me.state_dict(), **{name: getattr(self, name) for name in NUMBERS}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.me.load_state_dict(state["me"])
        for name in NUMBERS:
            value = state[name]
            setattr(self, name, tuple(value) if isinstance(value, list) else value)
