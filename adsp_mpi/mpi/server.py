"""Rank 0: evaluates the global model, steers the workers, ends the run."""

import math
import time
from pathlib import Path
from typing import Callable

import numpy as np
import torch

from adsp_mpi.core.actions import TRIAL, Observed, Run, Setup, Snapshot, Tell
from adsp_mpi.core.board import TARGET_FIELDS, Board, Presence, Stage
from adsp_mpi.core.scheduler import Command, Scheduler, momentum_of, observe, put_on_board
from adsp_mpi.core.stop import StopRule
from adsp_mpi.errors import AdspError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.trainer import Evaluator
from adsp_mpi.mpi.clock import Clock, answer_round_trips
from adsp_mpi.mpi.pause import wait_until
from adsp_mpi.mpi.prepare import Prepared
from adsp_mpi.mpi.signals import Signals
from adsp_mpi.mpi.window import RemoteArray
from adsp_mpi.screen import Screen, Status
from adsp_mpi.trace import schema
from adsp_mpi.trace.writer import PartWriter

LOOK_S = 0.02
"""The server looks at the board at least this often."""


class ServerTrace:
    """Rank 0's part of the trace."""

    def __init__(self, folder: Path, flush_s: float) -> None:
        self.part = PartWriter(folder / schema.PARTS_NAME / "rank-00000.h5", 0, flush_s)
        self.part.add_table("ps/targets", schema.TARGETS)

    def targets(self, now: float, board: Board, phase: str) -> None:
        targets = board.targets
        numbers = [getattr(targets, name) for name in TARGET_FIELDS]
        self.part.append("ps/targets", now, board.version, *numbers, momentum_of(board), phase)

    def evaluation(
        self, now: float, duration_s: float, board: Board, trial: bool, metrics: dict[str, float]
    ) -> None:
        if not self.part.has_table("ps/evals"):
            columns = schema.EVALS + tuple((name, "f8", "") for name in metrics)
            self.part.add_table("ps/evals", columns)
        steps = int(board.column("steps").sum())
        self.part.append("ps/evals", now, duration_s, steps, board.landed, trial, *metrics.values())


class Server:
    """The parameter server's loop: `start` while the workers stand still, then `run`, `close`."""

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
        self._config = config = ready.config
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
        self._stop = StopRule(
            config.stop.target_loss, config.stop.loss_variance, config.stop.max_seconds
        )
        self._losses: list[tuple[float, float]] = []
        self._first = 0  # index in _losses where the current Run began
        self.evaluations: list[tuple[float, float]] = []
        self.trial_s = 0.0
        self.metrics: dict[str, float] = {}
        self.told: dict[str, dict[str, float]] = {}
        self.reason = "failed"
        self.ended_s = 0.0
        self._phase = "start"
        self._waiting_run: Run | None = None

    def start(self, clock: Clock) -> None:
        """Judge the initial model and give out the first targets."""
        self._clock = clock
        self._begun_s = self._run_end = clock.now()
        self._evaluate()
        workers, batch_size = self._world.num_workers, self._config.train.batch_size
        setup = Setup(workers, batch_size, self._config.stop.target_loss)
        model = self._config.sync_model
        self._scheduler = Scheduler(model, setup, self._observe(), self._take_told)
        if isinstance(self._scheduler.command, Run):
            self._begin(self._scheduler.command, standing=True)

    def run(self) -> None:
        """Steer until the run is over; raises AdspError when it has failed."""
        try:
            self.reason = self._steer()
        finally:
            self.ended_s = self._clock.now()

    def _steer(self) -> str:
        """Evaluate and feed the scheduler in turn; returns why the run is over."""
        if not isinstance(self._scheduler.command, Run):
            self._next_run(self._scheduler.command)
        next_evaluation = self._clock.now() + self._config.eval.period_s
        while True:
            event = min(self._run_end, next_evaluation)
            time.sleep(min(LOOK_S, max(0.0, event - self._clock.now())))
            now = self._clock.now()
            reason = self._stop.timed(now) or self._ended_by_workers()
            if not reason and now >= event:
                next_evaluation = now + self._config.eval.period_s
                reason = self._evaluate()
            if reason:
                return reason
            if self._waiting_run:
                self._put(self._waiting_run, standing=False)
            if now >= self._run_end:
                self._next_run(self._scheduler.advance(self._observe()))
            self._trace.part.flush_if_due()
            self._screen.update(self._status())

    def _next_run(self, command: Command) -> None:
        """Carry out commands up to the next `Run` and begin it."""
        if self._phase == TRIAL:
            self.trial_s += self._clock.now() - self._begun_s
        paused = not isinstance(command, Run)
        if paused:
            self.board.stage = Stage.PAUSE
            self._wait_for_workers(lambda: self.board.column("presence") == Presence.PAUSED)
        while not isinstance(command, Run):
            if isinstance(command, Snapshot):
                self._snapshot = self._window.memory.copy()
            else:
                self._restore()
            command = self._scheduler.advance(self._observe())
        self._begin(command, standing=paused)
        if paused:
            self.board.stage = Stage.TRAIN

    def _restore(self) -> None:
        """Every worker takes the snapshot; what is judged until the next `Run` does not count."""
        self._window.memory[:] = self._snapshot
        self.board.restores += 1
        self._wait_for_workers(lambda: self.board.column("restores") == self.board.restores)
        self._phase = TRIAL
        self._evaluate()
        self._first = len(self._losses) - 1

    def close(self, evaluate: bool) -> None:
        """Let every worker leave, evaluate the last model and align the clocks again."""
        self.board.stage = Stage.STOP
        self._wait_for_presence(Presence.LEFT)
        try:
            if evaluate and not self.board.failures:
                self._evaluate()
        finally:
            self.board.stage = Stage.ALIGN
            for worker in range(self._world.num_workers):
                answer_round_trips(self._world.comm, worker + 1)
            self._wait_for_presence(Presence.CLOSED)

    def last_good_model(self) -> FlatModel:
        """The model as of the last evaluation whose loss was finite."""
        self._model.values.copy_(self._good_values)
        return self._model

    def _begin(self, run: Run, standing: bool) -> None:
        self._phase = run.phase
        self._begun_s = self._clock.now()
        self._run_end = self._begun_s + run.seconds
        self._first = len(self._losses) - 1
        self._put(run, standing)

    def _put(self, run: Run, standing: bool) -> None:
        """Show `run` on the board, now or, what has to wait, at a later look."""
        version = self.board.version
        self._waiting_run = None if put_on_board(run, self.board, standing) else run
        if self.board.version != version:
            self._trace.targets(self._clock.now(), self.board, run.phase)

    def _observe(self) -> Observed:
        return observe(self._clock.now(), tuple(self._losses[self._first :]), self.board)

    def _take_told(self, told: Tell) -> None:
        self.told[told.table] = told.values
        values = {"time_s": self._clock.now(), **told.values}
        self._trace.part.append_named(f"ps/{told.table}", values)

    def _evaluate(self) -> str | None:
        """Read the global model and judge it; the reason to stop, or None."""
        now = self._clock.now()
        self._host_values.numpy()[:] = self._window.memory
        self._model.values.copy_(self._host_values)
        metrics = self._evaluator.evaluate()
        loss, trial = metrics["loss"], self._phase == TRIAL
        self._trace.evaluation(now, self._clock.now() - now, self.board, trial, metrics)
        self._losses.append((now, loss))
        if trial:
            return None
        if not math.isfinite(loss):
            raise AdspError(bad_loss(loss, now, untrained=not self.evaluations))
        self.metrics = metrics
        self._good_values.copy_(self._host_values)
        self.evaluations.append((now, loss))
        return self._stop.evaluated(loss)

    def _ended_by_workers(self) -> str | None:
        if self.board.failures:
            return "a worker failed"
        if self._signals.received or self.board.interrupts:
            return "stopped by a signal"
        if not self.board.present.any():
            return f"every worker took its {self._config.stop.max_steps} steps"
        return None

    def _wait_for_workers(self, ready: Callable[[], np.ndarray]) -> None:
        """Until `ready`, bool[M], holds for every worker that takes part."""
        wait_until(lambda: bool((ready() | ~self.board.present).all()))

    def _wait_for_presence(self, presence: Presence) -> None:
        wait_until(lambda: bool((self.board.column("presence") >= presence).all()))

    def _status(self) -> Status:
        return Status(
            now=self._clock.now(),
            phase=self._phase,
            metrics=self.metrics,
            targets=self.board.targets,
            version=self.board.version,
            told=self.told,
            board=self.board,
        )


def bad_loss(loss: float, now: float, untrained: bool) -> str:
    """What to do about a global loss that is not finite."""
    if untrained:
        return f"the loss of the untrained model is {loss}: check the data and the loss function"
    return (
        f"the global loss became {loss} after {now:.1f} s; the last good model is kept. "
        "Try a smaller train.local_lr or sync.global_lr"
    )
