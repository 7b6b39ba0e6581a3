"""The engine in virtual time: workers, server and commits as actions of one clock."""

import math
from functools import partial
from typing import Any, Callable

from adsp_mpi.config import Config
from adsp_mpi.core.actions import Observed, Setup, Tell
from adsp_mpi.core.board import Presence, Stage
from adsp_mpi.core.hetero.profile import Profile
from adsp_mpi.core.steering import Steering, Until
from adsp_mpi.core.stop import StopRule
from adsp_mpi.errors import AdspError
from adsp_mpi.runtime.server_trace import ServerTrace
from adsp_mpi.runtime.signals import STOPPED
from adsp_mpi.screen import Screen, Status
from adsp_mpi.sim.board import ANY_COUNT, PRESENCE, STAGE, LiveBoard
from adsp_mpi.sim.checkpoint import engine_state, resume_engine
from adsp_mpi.sim.clock import VirtualClock
from adsp_mpi.sim.exchange import make_exchange
from adsp_mpi.sim.links import Links
from adsp_mpi.sim.problem import Problem
from adsp_mpi.sim.worker import MOST_AT_ONCE, SimWorker, Waiting
from adsp_mpi.trace.memory_writer import WorkerRows

MOST_IDLE_LOOKS = 1000
"""Looks of the server in a row between which no worker did anything: nobody ever will again."""

MOST_OVERDUE = 10
"""Times that a worker may ask in a row to be woken at a second that is over."""


class _RunIsOver(Exception):
    """Steering has come to its end; the argument is why."""


class Engine:
    """A whole run: `run`, then `close`. It is the `ServerEngine` of its `Steering`."""

    def __init__(
        self,
        config: Config,
        problem: Problem,
        profile: Profile,
        trace: ServerTrace,
        rows: WorkerRows,
        screen: Screen,
        stopped: Callable[[], bool],
    ) -> None:
        workers = len(profile.workers)
        self.clock = VirtualClock()
        self.board = LiveBoard(workers)
        self.sync = config.sync_model
        self.profile = profile
        self.rows = rows
        self.values = problem.values
        learners = [problem.learner(worker) for worker in range(workers)]
        self.exchange = make_exchange(config.codec, problem, self.sync.commit_rule(), learners)
        self.links = Links(
            self.clock, self.exchange.commit_bytes / 1e6, config.simulate.server_bandwidth_mb_s
        )
        self.batch_size = config.train.batch_size
        self.global_lr = self.sync.global_lr or 1.0 / workers
        self.max_steps = config.stop.max_steps or math.inf
        self.actions = 0
        self.reason = "failed"
        self.ended_s = 0.0
        self.good_values = problem.values.copy()
        self.problem = problem
        self._trace = trace
        self._screen = screen
        self._stopped = stopped
        self.save: Callable[[], None] | None = None
        """Writes a checkpoint of the run."""

        self._checkpoint_period_s = config.checkpoint.period_s or math.inf
        self._stopping = False
        self._resumed = False
        self.snapshot: dict[str, Any] = {}
        stop = config.stop
        self.steering = Steering(
            self,
            self.sync,
            Setup(workers, self.batch_size, stop.target_loss),
            StopRule(stop.target_loss, stop.loss_variance, stop.max_seconds),
            config.eval.period_s,
        )
        self.progress = self.steering.progress
        self._until = Until(math.inf, lambda: False)
        self.appointments = 0
        self.idle_looks = 0
        self.actions_seen = -1
        self.waiting: dict[int, SimWorker] = {}
        self.until_s = [math.inf] * workers  # when each one that waits is to be woken
        self._most_at_once = MOST_AT_ONCE * workers
        self.overdue: dict[int, tuple[Waiting | None, int]] = {}
        self.workers = [SimWorker(self, i, learner) for i, learner in enumerate(learners)]

    def run(self) -> None:
        """From the first evaluation, or where it was resumed, until steering says it is over."""
        try:
            self._take_up() if self._resumed else self._begin()
            while True:
                self._tell_of_changes()
                self._save_if_due()
                self._go_on()
        except _RunIsOver as end:
            self.reason = end.args[0]
        finally:
            self.ended_s = self.clock.now

    def _begin(self) -> None:
        self.steering.start()
        self._steps = self.steering.run()
        self._next_checkpoint_s = self._checkpoint_period_s
        self._meet_again()
        for worker in self.workers:
            worker.go_on()

    def resume(self, state: dict[str, Any]) -> None:
        """`run` shall go on where the engine with this `state` stood."""
        resume_engine(self, state)
        self._resumed = True

    def _take_up(self) -> None:
        """Go on; workers that had taken all their steps train again if they may take more now."""
        self._steps = self.steering.run()
        self._next_checkpoint_s = self.clock.now + self._checkpoint_period_s
        self._meet_again()
        presence = self.board.column("presence")
        left = [w for w in self.workers if presence[w.index] == Presence.LEFT]
        again = [worker for worker in left if worker.me.steps < self.max_steps]
        for worker in again:
            self.board.set_presence(worker.index, Presence.TRAINING)
        for worker in again:
            worker.go_on()

    @property
    def state(self) -> dict[str, Any]:
        """For `resume` of an engine with the same configuration, while steering is settled."""
        return engine_state(self)

    def _save_if_due(self) -> None:
        """Write a checkpoint, which takes no virtual time; end a run that is to stop."""
        if not self.steering.settled:
            return
        if self._stopped():
            self._stopping = True
            self._look()
        if self.clock.now >= self._next_checkpoint_s:
            if self.save:
                self.save()
            self._next_checkpoint_s = self.clock.now + self._checkpoint_period_s

    def close(self) -> None:
        """Let every worker leave, then judge the last model."""
        self.appointments += 1
        self._until = Until(math.inf, lambda: False)
        self.board.stage = Stage.STOP
        while True:
            self._tell_of_changes()
            if (self.board.column("presence") == Presence.LEFT).all():
                break
            self._go_on()
        self.steering.evaluate()

    def _go_on(self) -> None:
        """Do what comes next; AdspError where nothing does, or no time passes any more."""
        if not self.clock.step():
            raise AdspError(
                f"nothing will ever happen again; who waits, waits for: {self._reasons()}"
            )
        if self.clock.at_once > self._most_at_once:
            self._require_time_to_pass()

    def _require_time_to_pass(self) -> None:
        if self.clock.at_once > self._most_at_once:
            raise AdspError(
                f"time stands still at {self.clock.now:g} s: workers go on and on with what takes "
                f"no time; who waits, waits for: {self._reasons() or 'nothing'}"
            )

    def wait(self, worker: SimWorker, until_s: float) -> None:
        """Wake `worker` when what it waits for has changed, at `until_s` at the latest."""
        self.waiting[worker.index] = worker
        if worker.waiting and worker.waiting.asked == ANY_COUNT:
            self.board.any_count_awaited = True
        self.until_s[worker.index] = until_s
        if until_s < math.inf:
            timer = partial(self.time_is_up, worker, worker.waiting)
            wake_s = until_s if until_s > self.clock.now else self._at_the_next_moment(worker)
            self.clock.at(wake_s, self.clock.WORKER, timer)

    def _at_the_next_moment(self, worker: SimWorker) -> float:
        """When to wake who asked for a second that is over, as rounding may have it."""
        waiting, times = self.overdue.get(worker.index, (None, 0))
        times = times + 1 if waiting is worker.waiting else 1
        self.overdue[worker.index] = worker.waiting, times
        if times > MOST_OVERDUE:
            reason = worker.waiting.reason if worker.waiting else ""
            raise AdspError(
                f"worker {worker.index} waits again and again until a second that is over: {reason}"
            )
        return math.nextafter(self.clock.now, math.inf)

    def wake(self, worker: SimWorker) -> None:
        """Let a worker that waits decide again."""
        del self.waiting[worker.index]
        worker.wake()

    def time_is_up(self, worker: SimWorker, waiting: Waiting | None) -> None:
        if worker.waiting is waiting:
            self.wake(worker)

    def _tell_of_changes(self) -> None:
        """Until nothing changes: wake the workers whom it concerns, let the server look."""
        while self.board.changed:
            self._wake_concerned()
            if self._until.ready():
                self._look()

    def _wake_concerned(self) -> None:
        """Workers whom a change concerns, and those whom their actions concern, and so on."""
        board = self.board
        while board.changed:
            changed, board.changed = board.changed, set()
            for worker in [w for w in self.waiting.values() if _concerns(w, changed)]:
                self.wake(worker)
                self.clock.at_once += 1
            self._require_time_to_pass()
        board.any_count_awaited = any(
            w.waiting is not None and w.waiting.asked == ANY_COUNT for w in self.waiting.values()
        )

    def _meet_again(self) -> None:
        """Let steering go on and book its next appointment."""
        try:
            self._until = next(self._steps)
        except StopIteration as end:
            raise _RunIsOver(end.value) from None
        self.appointments += 1
        if self._until.moment < math.inf:
            appointment = partial(self.keep_appointment, self.appointments)
            self.clock.at(self._until.moment, self.clock.SERVER, appointment)

    def keep_appointment(self, number: int) -> None:
        if number != self.appointments:
            return
        self.idle_looks = 0 if self.actions != self.actions_seen else self.idle_looks + 1
        self.actions_seen = self.actions
        if self.idle_looks > MOST_IDLE_LOOKS and self._all_wait_for_ever():
            raise AdspError(f"every worker waits and nothing will change: {self._reasons()}")
        self._look()

    def _all_wait_for_ever(self) -> bool:
        """No one who takes part has a step or a commit under way, or a second to be woken at."""
        waiting = self.waiting.values()
        return len(waiting) == int(self.board.present.sum()) and not any(
            w.me.in_flight or self.until_s[w.index] < math.inf for w in waiting
        )

    def _reasons(self) -> str:
        return ", ".join(sorted({w.waiting.reason for w in self.waiting.values() if w.waiting}))

    def _look(self) -> None:
        self._meet_again()
        self._screen.update(Status(self.clock.now, self.progress, self.board))

    def now(self) -> float:
        return self.clock.now

    def judge(self) -> dict[str, float]:
        return self.problem.evaluate()

    def judged(self, now: float, trial: bool, metrics: dict[str, float]) -> None:
        self._trace.evaluation(now, 0.0, self.board, trial, metrics)

    def keep_model(self) -> None:
        self.good_values[:] = self.values

    def outer_step(self) -> None:
        self._trace.outer_step(self.clock.now, self.exchange.outer_step())

    def take_snapshot(self) -> None:
        self.snapshot = self.exchange.model_state_dict()

    def put_back_snapshot(self) -> None:
        self.exchange.load_model_state_dict(self.snapshot)

    def targets_changed(self, phase: str) -> None:
        self._trace.targets(self.clock.now, self.board, phase)

    def told(self, told: Tell) -> None:
        self._trace.told(self.clock.now, told)

    def observed(self, seen: Observed) -> None:
        self._trace.observed(seen)

    def interrupted(self) -> str | None:
        return STOPPED if self._stopping else None


def _concerns(worker: SimWorker, changed: set[str]) -> bool:
    """Who waits for a snapshot cares for the stage alone, the others also for who takes part."""
    asked = worker.waiting.asked if worker.waiting else ANY_COUNT
    return asked in changed or STAGE in changed or (asked != STAGE and PRESENCE in changed)
