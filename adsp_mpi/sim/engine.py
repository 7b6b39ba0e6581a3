"""The engine in virtual time: workers, server and commits are actions on one clock."""

import math
from functools import partial
from typing import Any, Callable

from adsp_mpi.config import Config
from adsp_mpi.core.actions import Observed, Setup, Tell
from adsp_mpi.core.board import Presence, Stage
from adsp_mpi.core.dealing import BoardCounter
from adsp_mpi.core.hetero.profile import Profile
from adsp_mpi.core.server_engine import Judged, Until
from adsp_mpi.core.steering import Steering
from adsp_mpi.core.worker import Worker
from adsp_mpi.core.worker_tables import Tables
from adsp_mpi.errors import AdspError
from adsp_mpi.events import Events
from adsp_mpi.runtime.model_files import ModelFiles
from adsp_mpi.runtime.server_trace import ServerTrace
from adsp_mpi.runtime.signals import STOPPED
from adsp_mpi.screen import Status
from adsp_mpi.sim.board import LiveBoard, LiveRow
from adsp_mpi.sim.clock import VirtualClock
from adsp_mpi.sim.exchange import make_exchange
from adsp_mpi.sim.links import Links
from adsp_mpi.sim.problem import Problem
from adsp_mpi.sim.roster import Roster
from adsp_mpi.sim.waits import Waits
from adsp_mpi.sim.worker import SimWorker
from adsp_mpi.trace.memory_writer import WorkerRows

MOST_IDLE_LOOKS = 1000
"""After this many looks of the server without any action of a worker the run is stuck."""


class _RunIsOver(Exception):
    """Ends the event loop; the argument is the reason why the run is over."""


class Engine:
    """A whole run: call `run`, then `close`. It is the `ServerEngine` of its `Steering`."""

    def __init__(
        self,
        config: Config,
        problem: Problem,
        profile: Profile,
        trace: ServerTrace,
        rows: WorkerRows,
        events: Events,
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
        self.global_lr = self.sync.global_lr or 1.0 / (workers - config.run.spares)
        self.actions = 0
        self.reason = "failed"
        self.ended_s = 0.0
        self.good_values = problem.values.copy()
        self.problem = problem
        self._trace = trace
        self._events = events
        self._stopped = stopped
        self.save: Callable[[], None] | None = None
        """Writes a checkpoint of the run."""

        self.files: ModelFiles | None = None
        """Writes the newest and the best model."""

        self._checkpoint_period_s = config.checkpoint.period_s or math.inf
        self._stopping = False
        self.resumed = False
        """The engine stands where another one stood; `run` goes on from there."""

        self.snapshot: dict[str, Any] = {}
        stop = config.stop
        self.stop_rule = stop.rule()
        self.steering = Steering(
            self,
            self.sync,
            Setup(workers, config.train.batch_size, stop.target_loss),
            self.stop_rule,
            config.eval.period_s,
        )
        self.progress = self.steering.progress
        self._until = Until(math.inf, lambda: False)
        self.appointments = 0
        self._missed = False  # an appointment, for an admission under way
        self.idle_looks = 0
        self.actions_seen = -1
        self.waits = Waits(self.clock, self.board)
        spares = config.run.spares
        self.waits.workers = self.workers = [
            SimWorker(self, self._protocol_of(config, worker), learner)
            for worker, learner in enumerate(learners)
        ]
        for worker in self.workers:
            if hand := worker.learner.hand:
                hand.connect(worker.index, worker.me.row, self.board, BoardCounter(self.board))
        self.roster: Roster | None = None
        """Only where workers die, stall or are spare."""
        if spares or profile.faults:
            settled = partial(getattr, self.steering, "settled")
            args = self.clock, self.board, self.workers, spares, settled, self.tell
            self.roster = Roster(*args)

    def _protocol_of(self, config: Config, worker: int) -> Worker:
        rows = self.rows
        tables = Tables(
            *(partial(t.append, worker) for t in (rows.steps, rows.commits, rows.pulls, rows.waits))
        )
        tables = self.problem.callbacks(worker + 1).with_commits(tables, worker)
        row = LiveRow(self.board, worker)
        max_steps = config.stop.max_steps or math.inf
        return Worker(worker, self.sync, config.train.batch_size, row, tables, max_steps)

    def run(self) -> None:
        """Run from the first evaluation, or from where it was resumed, until the run is over."""
        try:
            self._take_up() if self.resumed else self._begin()
            while True:
                if self.board.changed:
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
        if self.roster:
            self.roster.begin(self.profile.faults)
        for worker in self.workers:
            worker.go_on()

    def _take_up(self) -> None:
        """Continue a resumed run; workers that had taken all steps train if there are more now."""
        self._steps = self.steering.run()
        self._next_checkpoint_s = self.clock.now + self._checkpoint_period_s
        self._meet_again()
        presence = self.board.column("presence")
        left = [
            w
            for w in self.workers
            if presence[w.index] == Presence.LEFT and not self.board.is_lost(w.index)
        ]
        again = [worker for worker in left if worker.me.steps < worker.me.max_steps]
        for worker in again:
            self.board.set_presence(worker.index, Presence.TRAINING)
        for worker in again:
            worker.go_on()

    def _save_if_due(self) -> None:
        """Write a due checkpoint, which takes no virtual time, and end a run that is to stop."""
        if not self.steering.settled or (self.roster and self.roster.admits):
            return
        if self._stopped():
            self._stopping = True
            self._look()
        if self.clock.now >= self._next_checkpoint_s:
            if self.save:
                self.save()
            self._next_checkpoint_s = self.clock.now + self._checkpoint_period_s

    def close(self) -> None:
        """Let every worker leave, and judge the last model."""
        self.appointments += 1
        self._until = Until(math.inf, lambda: False)
        if self.roster:
            self.roster.release()
        self.board.stage = Stage.STOP
        while True:
            self._tell_of_changes()
            if self._all_left():
                break
            self._go_on()
        self.steering.evaluate()

    def _all_left(self) -> bool:
        if self.roster:
            return self.roster.all_left()
        return bool((self.board.column("presence") == Presence.LEFT).all())

    def _go_on(self) -> None:
        """Do the next action; AdspError if there is none, or if time no longer passes."""
        if not self.clock.step():
            raise AdspError(
                f"nothing will ever happen again; who waits, waits for: {self.waits.reasons()}"
            )
        if self.clock.at_once:
            self.waits.require_time_to_pass()

    def _tell_of_changes(self) -> None:
        """Wake the workers that changes concern, and let the server look, until nothing changes."""
        while self.board.changed:
            self.waits.wake_concerned()
            if self.roster and self.roster.admits:
                self.roster.advance()
            elif self._until.ready() or self._missed:
                self._missed = False
                self._look()

    def _meet_again(self) -> None:
        """Resume steering, and book its next wait."""
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
        if self.roster and self.roster.admits:
            self._missed = True
            return
        self.idle_looks = 0 if self.actions != self.actions_seen else self.idle_looks + 1
        self.actions_seen = self.actions
        if self.idle_looks > MOST_IDLE_LOOKS and self.waits.all_for_ever():
            raise AdspError(f"every worker waits and nothing will change: {self.waits.reasons()}")
        self._look()

    def _look(self) -> None:
        self._meet_again()
        self._events.show(Status(self.clock.now, self.progress, self.board))

    def tell(self, kind: str, text: str) -> None:
        """Tell of an event that happens now."""
        self._events.tell(self.clock.now, kind, text)

    def done_share(self) -> float:
        """The share of the run that is done, 0 to 1."""
        return self.stop_rule.progress(self.clock.now, self.board.mean_steps)

    def now(self) -> float:
        return self.clock.now

    def judge(self) -> Judged:
        return Judged(self.problem.evaluate())

    def judged(self, now: float, trial: bool, metrics: dict[str, float]) -> None:
        self._events.evaluated(now, 0.0, self.board, trial, metrics)

    def keep_model(self, best: bool) -> None:
        self.good_values[:] = self.values
        if self.files:
            self.files.evaluated(best)

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
