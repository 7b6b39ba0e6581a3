"""Rank 0: lets `Steering` evaluate, steer and end the run in wall time over the windows."""

import time

import numpy as np
import torch

from adsp_mpi.core.actions import Observed, Setup, Tell
from adsp_mpi.core.board import Board, Presence, Stage
from adsp_mpi.core.steering import Steering, Until
from adsp_mpi.core.stop import StopRule
from adsp_mpi.engine.records import ServerTrace
from adsp_mpi.engine.signals import Signals
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.trainer import Evaluator
from adsp_mpi.mpi.clock import Clock, answer_round_trips
from adsp_mpi.mpi.pause import wait_until
from adsp_mpi.mpi.prepare import Prepared
from adsp_mpi.mpi.window import RemoteArray
from adsp_mpi.screen import Screen, Status

LOOK_S = 0.02
"""The server looks at the board at least this often."""


class Server:
    """The parameter server: `start` while the workers stand still, then `run`, `close`.

    It is the `ServerEngine` of its `Steering`.
    """

    def __init__(
        self,
        ready: Prepared,
        evaluator: Evaluator,
        window: RemoteArray,
        board: Board,
        trace: ServerTrace,
        screen: Screen,
        signals: Signals,
    ) -> None:
        self._world = ready.world
        self._model = model = ready.model
        self._evaluator = evaluator
        self._window = window
        self.board = board
        self._trace = trace
        self._screen = screen
        self._signals = signals
        self._host_values = torch.empty(model.num_elements)
        self._good_values = torch.empty(model.num_elements)
        self._snapshot = np.zeros(0, np.float32)
        self.reason = "failed"
        self.ended_s = 0.0
        stop, train = ready.config.stop, ready.config.train
        self._steering = Steering(
            self,
            ready.config.sync_model,
            Setup(self._world.num_workers, train.batch_size, stop.target_loss),
            StopRule(stop.target_loss, stop.loss_variance, stop.max_seconds),
            ready.config.eval.period_s,
        )
        self.progress = self._steering.progress

    def start(self, clock: Clock) -> None:
        """Judge the initial model and give out the first targets."""
        self._clock = clock
        self._steering.start()

    def run(self) -> None:
        """Steer until the run is over; raises AdspError when it has failed."""
        try:
            self.reason = self._steer()
        finally:
            self.ended_s = self.now()

    def close(self, evaluate: bool) -> None:
        """Let every worker leave, evaluate the last model and align the clocks again."""
        self.board.stage = Stage.STOP
        self._wait_for_presence(Presence.LEFT)
        try:
            if evaluate and not self.board.failures:
                self._steering.evaluate()
        finally:
            self.board.stage = Stage.ALIGN
            for worker in range(self._world.num_workers):
                answer_round_trips(self._world.comm, worker + 1)
            self._wait_for_presence(Presence.CLOSED)

    def last_good_model(self) -> FlatModel:
        """The model as of the last evaluation whose loss was finite."""
        self._model.values.copy_(self._good_values)
        return self._model

    def _steer(self) -> str:
        steps = self._steering.run()
        try:
            while True:
                self._wait(next(steps))
        except StopIteration as end:
            return end.value

    def _wait(self, until: Until) -> None:
        while True:
            time.sleep(min(LOOK_S, max(0.0, until.moment - self.now())))
            if self.now() >= until.moment or until.ready():
                return
            self._trace.part.flush_if_due()
            self._screen.update(self._status())

    def now(self) -> float:
        return self._clock.now()

    def judge(self, now: float, trial: bool) -> dict[str, float]:
        self._host_values.numpy()[:] = self._window.memory
        self._model.values.copy_(self._host_values)
        metrics = self._evaluator.evaluate()
        self._trace.evaluation(now, self.now() - now, self.board, trial, metrics)
        return metrics

    def keep_model(self) -> None:
        self._good_values.copy_(self._host_values)

    def take_snapshot(self) -> None:
        self._snapshot = self._window.memory.copy()

    def put_back_snapshot(self) -> None:
        self._window.memory[:] = self._snapshot

    def targets_changed(self, phase: str) -> None:
        self._trace.targets(self.now(), self.board, phase)

    def told(self, told: Tell) -> None:
        self._trace.told(self.now(), told)

    def observed(self, seen: Observed) -> None:
        self._trace.observed(seen)

    def interrupted(self) -> str | None:
        if self.board.failures:
            return "a worker failed"
        if self._signals.received or self.board.interrupts:
            return "stopped by a signal"
        return None

    def _wait_for_presence(self, presence: Presence) -> None:
        def reached() -> bool:
            return bool((self.board.column("presence") >= presence).all())

        wait_until(reached)

    def _status(self) -> Status:
        return Status(self.now(), self.progress, self.board)
