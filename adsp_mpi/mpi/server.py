"""Rank 0: evaluates the global model, steers the workers, ends the run."""

import math
import time
from pathlib import Path

import torch

from adsp_mpi.core.actions import Goal, Observed, Run, Tell
from adsp_mpi.core.board import TARGET_FIELDS, Board, Presence, Stage
from adsp_mpi.core.scheduler import Scheduler
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

    def targets(self, now: float, version: int, run: Run) -> None:
        numbers = [getattr(run.targets, name) for name in TARGET_FIELDS]
        self.part.append("ps/targets", now, version, *numbers, run.phase)

    def evaluation(
        self, now: float, duration_s: float, steps: int, landed: int, metrics: dict[str, float]
    ) -> None:
        if not self.part.has_table("ps/evals"):
            columns = schema.EVALS + tuple((name, "f8", "") for name in metrics)
            self.part.add_table("ps/evals", columns)
        self.part.append("ps/evals", now, duration_s, steps, landed, *metrics.values())


class Server:
    """The parameter server's loop."""

    def __init__(
        self,
        ready: Prepared,
        evaluator: Evaluator,
        window: RemoteArray,
        board: Board,
        clock: Clock,
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
        self._clock = clock
        self._trace = trace
        self._screen = screen
        self._signals = signals
        self._host_values = torch.empty(model.num_elements)
        self._good_values = torch.empty(model.num_elements)
        self._stop = StopRule(
            config.stop.target_loss, config.stop.loss_variance, config.stop.max_seconds
        )
        self.evaluations: list[tuple[float, float]] = []
        self.metrics: dict[str, float] = {}
        self.told: dict[str, dict[str, float]] = {}
        self.reason = ""
        self.ended_s = 0.0
        self._phase = "start"

    def run(self) -> None:
        """Steer until the run is over; raises AdspError when it has failed."""
        try:
            self.reason = self._steer()
        except AdspError as error:
            self.reason = str(error)
            raise
        finally:
            self.ended_s = self._clock.now()

    def _steer(self) -> str:
        """Evaluate and feed the scheduler in turn; returns why the run is over."""
        self._evaluate()
        scheduler = Scheduler(
            self._config.sync_model,
            Goal(self._config.stop.target_loss),
            self._observe(0),
            self._take_told,
        )
        self._begin(scheduler.run)
        first, run_end = 0, self._clock.now() + scheduler.run.seconds
        next_evaluation = self._clock.now() + self._config.eval.period_s
        while True:
            event = min(run_end, next_evaluation)
            time.sleep(min(LOOK_S, max(0.0, event - self._clock.now())))
            now = self._clock.now()
            reason = self._stop.timed(now) or self._ended_by_workers()
            if not reason and now >= event:
                next_evaluation = now + self._config.eval.period_s
                reason = self._evaluate()
            if reason:
                return reason
            if now >= run_end:
                self._begin(scheduler.advance(self._observe(first)))
                first, run_end = len(self.evaluations) - 1, now + scheduler.run.seconds
            self._trace.part.flush_if_due()
            self._screen.update(self._status())

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

    def _begin(self, run: Run) -> None:
        self._phase = run.phase
        self.board.targets = run.targets
        self._trace.targets(self._clock.now(), self.board.version, run)

    def _observe(self, first: int) -> Observed:
        present = self.board.present
        return Observed(
            now=self._clock.now(),
            losses=tuple(self.evaluations[first:]),
            steps=self.board.column("steps")[present].copy(),
            commits=self.board.column("commits")[present].copy(),
        )

    def _take_told(self, told: Tell) -> None:
        self.told[told.table] = told.values
        values = {"time_s": self._clock.now(), **told.values}
        self._trace.part.append_named(f"ps/{told.table}", values)

    def _evaluate(self) -> str | None:
        """Read the global model and judge it; the reason to stop, or None."""
        now = self._clock.now()
        landed = self.board.landed
        self._host_values.numpy()[:] = self._window.memory
        self._model.values.copy_(self._host_values)
        metrics = self._evaluator.evaluate()
        duration_s = self._clock.now() - now
        steps = int(self.board.column("steps").sum())
        self._trace.evaluation(now, duration_s, steps, landed, metrics)
        if not math.isfinite(metrics["loss"]):
            raise AdspError(
                f"the global loss became {metrics['loss']} after {now:.1f} s; the last good model "
                "is kept. Try a smaller train.local_lr or sync.global_lr"
            )
        self._good_values.copy_(self._host_values)
        self.evaluations.append((now, metrics["loss"]))
        self.metrics = metrics
        return self._stop.evaluated(metrics["loss"])

    def _ended_by_workers(self) -> str | None:
        if self.board.failures:
            return "a worker failed"
        if self._signals.received or self.board.interrupts:
            return "stopped by a signal"
        if not self.board.present.any():
            return f"every worker took its {self._config.stop.max_steps} steps"
        return None

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
