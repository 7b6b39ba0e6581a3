"""The engine in virtual time: workers, server and commits as actions of one clock."""

import math
from functools import partial
from typing import Callable

import numpy as np

from adsp_mpi.config import Config
from adsp_mpi.core.actions import Observed, Setup, Tell
from adsp_mpi.core.board import Presence, Stage
from adsp_mpi.core.hetero import Profile
from adsp_mpi.core.steering import Steering, Until
from adsp_mpi.core.stop import StopRule
from adsp_mpi.engine.records import ServerTrace
from adsp_mpi.errors import AdspError
from adsp_mpi.screen import Screen, Status
from adsp_mpi.sim.board import ANY_COUNT, PRESENCE, STAGE, LiveBoard
from adsp_mpi.sim.clock import VirtualClock
from adsp_mpi.sim.links import Links
from adsp_mpi.sim.problem import Problem
from adsp_mpi.sim.worker import SimWorker, Waiting
from adsp_mpi.trace.memory import WorkerRows

MOST_IDLE_LOOKS = 1000
"""Looks of the server in a row between which no worker did anything: nobody ever will again."""


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
        self.model_bytes = 4 * len(problem.values)
        self.links = Links(
            self.clock, self.model_bytes / 1e6, config.simulate.server_bandwidth_mb_s
        )
        self.batch_size = config.train.batch_size
        self.global_lr = self.sync.global_lr or 1.0 / workers
        self.max_steps = config.stop.max_steps or math.inf
        self.actions = 0
        self.reason = "failed"
        self.ended_s = 0.0
        self.good_values = problem.values.copy()
        self._problem = problem
        self._trace = trace
        self._screen = screen
        self._stopped = stopped
        self._snapshot = np.zeros(0, np.float32)
        stop = config.stop
        self._steering = Steering(
            self,
            self.sync,
            Setup(workers, self.batch_size, stop.target_loss),
            StopRule(stop.target_loss, stop.loss_variance, stop.max_seconds),
            config.eval.period_s,
        )
        self.progress = self._steering.progress
        self._until = Until(math.inf, lambda: False)
        self._appointments = 0
        self._idle_looks = 0
        self._actions_seen = -1
        self._waiting: dict[int, SimWorker] = {}
        self._workers = [SimWorker(self, i, problem.learner(i)) for i in range(workers)]

    def run(self) -> None:
        """From the first evaluation until steering says that the run is over."""
        self._steering.start()
        self._steps = self._steering.run()
        try:
            self._meet_again()
            for worker in self._workers:
                worker.go_on()
            while True:
                if self.board.changed:
                    self._tell_of_changes()
                self.clock.step()
        except StopIteration as end:
            self.reason = end.value
        finally:
            self.ended_s = self.clock.now

    def close(self) -> None:
        """Let every worker leave, then judge the last model."""
        self._appointments += 1
        self._until = Until(math.inf, lambda: False)
        self.board.stage = Stage.STOP
        while True:
            if self.board.changed:
                self._tell_of_changes()
            if (self.board.column("presence") == Presence.LEFT).all():
                break
            self.clock.step()
        self._steering.evaluate()

    def wait(self, worker: SimWorker, until_s: float) -> None:
        """Wake `worker` when what it waits for has changed, at `until_s` at the latest."""
        self._waiting[worker.index] = worker
        if worker.waiting and worker.waiting.asked == ANY_COUNT:
            self.board.any_count_awaited = True
        if until_s < math.inf:
            timer = partial(self._time_is_up, worker, worker.waiting)
            self.clock.at(max(until_s, self.clock.now), self.clock.WORKER, timer)

    def _time_is_up(self, worker: SimWorker, waiting: Waiting | None) -> None:
        if worker.waiting is waiting:
            del self._waiting[worker.index]
            worker.wake()

    def _tell_of_changes(self) -> None:
        """Wake the workers whom a change concerns, and those whom their actions concern, ..."""
        board = self.board
        while board.changed:
            changed, board.changed = board.changed, set()
            for worker in [w for w in self._waiting.values() if _concerns(w, changed)]:
                del self._waiting[worker.index]
                worker.wake()
        board.any_count_awaited = any(
            w.waiting is not None and w.waiting.asked == ANY_COUNT for w in self._waiting.values()
        )
        if self._until.ready():
            self._look()

    def _meet_again(self) -> None:
        """Let steering go on and book its next appointment; StopIteration ends the run."""
        self._until = next(self._steps)
        self._appointments += 1
        if self._until.moment < math.inf:
            appointment = partial(self._keep_appointment, self._appointments)
            self.clock.at(self._until.moment, self.clock.SERVER, appointment)

    def _keep_appointment(self, number: int) -> None:
        if number != self._appointments:
            return
        self._idle_looks = 0 if self.actions != self._actions_seen else self._idle_looks + 1
        self._actions_seen = self.actions
        if self._idle_looks > MOST_IDLE_LOOKS and len(self._waiting) == len(self._workers):
            reasons = sorted({w.waiting.reason for w in self._waiting.values() if w.waiting})
            raise AdspError(f"every worker waits and nothing will change: {', '.join(reasons)}")
        self._look()

    def _look(self) -> None:
        self._meet_again()
        self._screen.update(Status(self.clock.now, self.progress, self.board))

    def now(self) -> float:
        return self.clock.now

    def judge(self, now: float, trial: bool) -> dict[str, float]:
        metrics = self._problem.evaluate()
        self._trace.evaluation(now, 0.0, self.board, trial, metrics)
        return metrics

    def keep_model(self) -> None:
        self.good_values[:] = self.values

    def take_snapshot(self) -> None:
        self._snapshot = self.values.copy()

    def put_back_snapshot(self) -> None:
        self.values[:] = self._snapshot

    def targets_changed(self, phase: str) -> None:
        self._trace.targets(self.clock.now, self.board, phase)

    def told(self, told: Tell) -> None:
        self._trace.told(self.clock.now, told)

    def observed(self, seen: Observed) -> None:
        self._trace.observed(seen)

    def interrupted(self) -> str | None:
        return "stopped by a signal" if self._stopped() else None


def _concerns(worker: SimWorker, changed: set[str]) -> bool:
    """Who waits for a snapshot cares for the stage alone, the others also for who takes part."""
    asked = worker.waiting.asked if worker.waiting else ANY_COUNT
    return asked in changed or STAGE in changed or (asked != STAGE and PRESENCE in changed)
