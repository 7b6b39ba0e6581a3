"""Rank 0's loop: drives `Steering` in wall time, over the arrays that all ranks share."""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adsp_mpi.core.actions import Observed, Setup, Tell
from adsp_mpi.core.board import Board, PauseReason, Presence, Stage
from adsp_mpi.core.server_engine import Judging, Until
from adsp_mpi.core.steering import Steering
from adsp_mpi.errors import warn
from adsp_mpi.events import Events
from adsp_mpi.learn.workload import Judge
from adsp_mpi.mpi.ranks.clock import Clock
from adsp_mpi.mpi.server.checkpoint import ServerSaver
from adsp_mpi.mpi.server.global_model import GlobalModel
from adsp_mpi.mpi.server.judge_thread import JudgeThread
from adsp_mpi.mpi.server.roster import LOOK_S, Workers
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.runtime.model_files import ModelFiles
from adsp_mpi.runtime.server_trace import ServerTrace
from adsp_mpi.runtime.signals import STOPPED, Signals
from adsp_mpi.runtime.slurm import JobEnd
from adsp_mpi.screen import Status

WATCH_S = 0.1
"""How often rank 0 looks for silent workers and due checkpoints, and updates the screen."""


class Server:
    """The parameter server: call `start` before the workers train, then `run`, then `close`.

    It is the `ServerEngine` of its `Steering`.
    """

    def __init__(
        self,
        ready: Prepared,
        judge: Judge | None,
        global_model: GlobalModel,
        board: Board,
        trace: ServerTrace,
        events: Events,
        saver: ServerSaver,
        signals: Signals,
    ) -> None:
        self._ready = ready
        self._world = ready.world
        self._model = model = ready.model
        self._judge_thread = JudgeThread(model, judge, ready.config.run.threads)
        self._global_model = global_model
        self.board = board
        self._trace = trace
        self.events = events
        self._signals = signals
        self._judged_values = torch.empty(0)
        self._good_values = torch.empty(model.num_elements)
        self._snapshot: dict[str, Any] = {}
        self._saver = saver
        self.workers = Workers(ready, board, self.now, self._tell)
        self._checkpoint_s = 0.0
        self._next_watch_s = 0.0
        self._job_end = JobEnd()
        self._checkpoint_period_s = ready.config.checkpoint.period_s or math.inf
        self.stopped = ""
        """The reason if the run was stopped from outside, else ""."""

        self.files = ModelFiles(self._write_good)
        self.saved = True
        """Whether all checkpoints could be written."""

        self.reason = "failed"
        self.ended_s = 0.0
        stop, train = ready.config.stop, ready.config.train
        self._stop_rule = stop_rule = stop.rule()
        self._steering = Steering(
            self,
            ready.config.sync_model,
            Setup(self._world.num_workers, train.batch_size, stop.target_loss),
            stop_rule,
            ready.config.eval.period_s,
        )
        self.progress = self._steering.progress

    def start(self, clock: Clock) -> None:
        """Judge the initial model and set the first targets, or continue from a checkpoint.

        With another number of workers than the checkpoint's, counts and scheduler begin anew.
        """
        self._clock = clock
        saved = self._ready.resumes.state["server"] if self._ready.resumes else {}
        rule = saved["model"]["rule"] if saved else None
        self._global_model.begin(rule, self.board.landed, scratch=self._new_values())
        if saved and self._ready.same_workers:
            self.load_state_dict(saved)
        else:
            self._steering.start()
        if saved and not self._ready.same_workers:
            self._steering.remember(saved["steering"])
            assert self._ready.resumes
            self.workers.go_on_dealing(Board(self._ready.resumes.num_workers, saved["board"]))
        self._next_checkpoint_s = self.now() + self._checkpoint_period_s

    def run(self) -> None:
        """Steer until the run is over; raises AdspError if it fails."""
        try:
            self.reason = self._steer()
            if self.reason == self.interrupted() and not self.board.failures:
                self.stopped = self.reason
        finally:
            self.ended_s = self.now()

    def close(self, good: bool) -> None:
        """Let every worker leave, and align the clocks again.

        If the run is `good`, write a checkpoint first, and evaluate the last model.
        """
        if good:
            self._checkpoint(at_the_end=True)
        self.workers.release()
        self.board.stage = Stage.STOP
        self.workers.wait_for_presence(Presence.LEFT)
        try:
            if good and not self.board.failures:
                self._steering.evaluate()
        finally:
            self.board.stage = Stage.ALIGN
            self.workers.answer_clocks()
            self.workers.wait_for_presence(Presence.CLOSED)

    def write_models(self) -> None:
        """Write the model of the last evaluation whose loss was finite, also as the newest.

        Raises OSError or RuntimeError if the disk is full.
        """
        thread, values = self._judge_thread, self._good_values
        thread.do(lambda: self.files.write("last")).result()
        thread.do(lambda: thread.write(values, self.model_path("model"))).result()

    def _write_good(self, name: str) -> None:
        self._judge_thread.write(self._good_values, self.model_path(name))

    def model_path(self, name: str) -> Path:
        return self._ready.folder / f"{name}.{self._ready.config.run.models}"

    def _steer(self) -> str:
        steps = self._steering.run()
        try:
            while True:
                self._wait(next(steps))
        except StopIteration as end:
            return end.value

    def _wait(self, until: Until) -> None:
        """Wait until `until` is over; write checkpoints and admit workers meanwhile."""
        while True:
            self._judge_thread.sleep(min(LOOK_S, max(0.0, until.moment - self.now())))
            if self.now() >= until.moment or until.ready():
                return
            if self.now() < self._next_watch_s:
                continue
            self._next_watch_s = self.now() + WATCH_S
            self.workers.watch()
            self.board.progress = self._stop_rule.progress(self.now(), self.board.mean_steps)
            if self._steering.settled and self.now() >= self._next_checkpoint_s:
                self._checkpoint(at_the_end=False)
                self.board.stage = Stage.TRAIN
            if self._steering.settled and (worker := self.workers.candidate()) is not None:
                self.workers.take_in(worker)
            self._trace.part.flush_if_due()
            self.events.show(Status(self.now(), self.progress, self.board))

    def _checkpoint(self, at_the_end: bool) -> None:
        """Write a checkpoint: all workers pause, or at the end leave, and stay so.

        If the disk is full, the checkpoint before stays the newest.
        """
        begun_s = self.now()
        self._next_checkpoint_s = begun_s + self._checkpoint_period_s
        try:
            path = self._write_checkpoint(at_the_end)
        except OSError as error:
            self.saved = False
            self._saver.drop()
            reason = os.strerror(error.errno) if error.errno else str(error)
            goes_on = "" if at_the_end else "; training goes on"
            warn(f"no checkpoint: {reason}{goes_on}")
            return
        if not path:
            self._saver.drop()
            return
        self._checkpoint_s = seconds = self.now() - begun_s
        self.events.saved(begun_s, seconds, path)

    def _write_checkpoint(self, at_the_end: bool) -> Path | None:
        """Write a checkpoint; returns it, or None if a worker failed and it is not whole."""
        number = self.board.checkpoint = self._saver.begin()
        if at_the_end:
            self.board.stage = Stage.STOP
        else:
            self.board.pause(PauseReason.CHECKPOINT)

        def written() -> np.ndarray:
            return self.board.column("checkpoint") == number

        self.workers.wait_for_everyone(written) if at_the_end else self.workers.wait_for(written)
        if self.board.failures:
            return None
        errors = self.board.column("disk_error")[written()]
        if errors.any():
            raise OSError(int(errors.max()), "")
        return self._saver.finish(self.state_dict(), self.reason if at_the_end else "")

    @property
    def trace_is_cut(self) -> bool:
        """Whether some rank can no longer write its trace."""
        return bool(self._trace.part.cut) or bool(self.board.column("trace_cut").any())

    def state_dict(self) -> dict[str, Any]:
        """The state from which a run can go on, while all workers pause."""
        return {
            "now": self.now(),
            "model": self._global_model.state_dict(),
            "good_values": self._good_values.numpy().copy(),
            "snapshot": self._snapshot,
            "board": self.board.data.copy(),
            "counts": self._trace.counts,
            "steering": self._steering.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`; model and board are restored elsewhere."""
        self._good_values = torch.from_numpy(state["good_values"])
        self._snapshot = state["snapshot"]
        self._trace.resume(state["counts"])
        self._steering.load_state_dict(state["steering"])

    def now(self) -> float:
        return self._clock.now()

    def _new_values(self) -> np.ndarray:
        return np.empty(self._ready.model.num_elements, np.float32)

    def judge(self) -> Judging:
        self._judged_values = torch.from_numpy(self._global_model.load(self._new_values()))
        return self._judge_thread.judge(self._judged_values)

    def judged(self, now: float, trial: bool, metrics: dict[str, float]) -> None:
        self.events.evaluated(now, self.now() - now, self.board, trial, metrics)

    def keep_model(self, best: bool) -> None:
        self._good_values = self._judged_values
        self._judge_thread.do(lambda: self.files.evaluated(best))

    def outer_step(self) -> None:
        norm = self._global_model.outer_step(scratch=self._new_values())
        self._trace.outer_step(self.now(), norm)

    def take_snapshot(self) -> None:
        self._snapshot = self._global_model.state_dict()

    def put_back_snapshot(self) -> None:
        self._global_model.load_state_dict(self._snapshot)

    def targets_changed(self, phase: str) -> None:
        self._trace.targets(self.now(), self.board, phase)

    def told(self, told: Tell) -> None:
        self._trace.told(self.now(), told)

    def observed(self, seen: Observed) -> None:
        self._trace.observed(seen)

    def interrupted(self) -> str | None:
        self._global_model.require_sound()
        if self.board.failures:
            return "a worker failed"
        if self._signals.received or self.board.interrupts:
            return STOPPED
        if self._job_end.is_near(self._checkpoint_s + 2 * self._slowest_step_s()):
            return "stopped before the batch job ends"
        return None

    def _slowest_step_s(self) -> float:
        return float((self.board.column("sample_s") * self.board.column("batch_size")).max())

    def _tell(self, kind: str, text: str) -> None:
        self.events.tell(self.now(), kind, text)
