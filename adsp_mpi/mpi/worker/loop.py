"""A worker rank's loop: asks its `Worker` what comes next, and does it in wall time."""

import math
import time

from adsp_mpi.core.actions import Commit, Leave, Pause, Pull, Step, Wait, WorkerAction
from adsp_mpi.core.board import Stage
from adsp_mpi.core.worker import Worker
from adsp_mpi.learn.steps import Idled, NoMoreSteps, Steps
from adsp_mpi.mpi.ranks.backoff import Backoff, wait_for
from adsp_mpi.mpi.ranks.clock import Clock
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.mpi.transport.board_client import LOOK_S, WorkerBoard
from adsp_mpi.mpi.worker.checkpoint import WorkerSaver
from adsp_mpi.mpi.worker.commit import CommitPath
from adsp_mpi.mpi.worker.paused import PausedWork
from adsp_mpi.runtime.signals import Signals
from adsp_mpi.trace.part_writer import PartWriter

IN_FLIGHT_LOOK_S = 1e-3


class WorkerLoop:
    """Drives one `Worker` from its first step to its last commit."""

    def __init__(
        self,
        ready: Prepared,
        worker: Worker,
        commits: CommitPath,
        board: WorkerBoard,
        clock: Clock,
        part: PartWriter,
        saver: WorkerSaver,
        signals: Signals,
    ) -> None:
        self._worker = worker
        self._saver = saver
        self._sync = ready.config.sync_model
        self._commits = commits
        self._client = board
        self._board = board.board
        self._row = board.row
        self._profile = ready.profile
        steady = ready.profile.steady(worker.index)
        self._at_own_speed = bool(steady and steady.slowdown == 1.0 and not steady.step_time_s)
        self._clock = clock
        self._part = part
        self._signals = signals
        self._told_signal = False
        self._exchanged_s = -LOOK_S
        self._global_lr = self._sync.global_lr or 1.0 / ready.num_shares
        self._paused_work = PausedWork(worker, board, commits, saver, clock.now)
        self._backoff = Backoff(patient=True)
        self._wait_number = 0
        self._step_due_s: float | None = None
        self._commit_blocked_s = 0.0

    def steps(self) -> Steps[None]:
        """Go through the training, step by step, until rank 0 or the worker's steps end it."""
        worker = self._worker
        self._client.refresh_now()
        while True:
            self._look()
            if self._board.version != worker.version:
                self._client.refresh_now()  # the version rises last: now all of it is new
            now, paused = self._clock.now(), worker.paused
            action = worker.next(now, self._board)
            if worker.paused != paused:
                self._client.publish(now)
            if isinstance(action, Leave) and not worker.in_flight:
                return
            if isinstance(action, Step):
                try:
                    loss = yield worker.batch_size
                    while isinstance(loss, Idled):
                        now += self._idled(loss.seconds)
                        loss = yield worker.batch_size
                except NoMoreSteps:
                    worker.max_steps = worker.steps
                else:
                    self._stepped(now, loss)
            else:
                self._do(action, now)
            self._part.flush_if_due()

    def _do(self, action: WorkerAction | Pause | Leave, now: float) -> None:
        """Carry out what was decided at `now`, but for a step."""
        if isinstance(action, Wait):
            self._wait(action.until_s - now)
        elif isinstance(action, Commit):
            self._begin_commit(action.weight, now)
            if self._sync.blocking_commits:
                self._finish_commit()
        elif isinstance(action, Pull):
            self._pull(action.keep_local, now)
        elif self._worker.in_flight:
            self._finish_commit()
        elif isinstance(action, Pause):
            self._pause(action)

    def _look(self) -> None:
        """Read the board, show life on it, and let a commit in flight move on."""
        now = self._clock.now()
        if self._worker.paused:
            self._client.refresh_now()
            self._client.show_life(now)
            self._pass_signal_on()
        elif self._sync.sees_others or now - self._exchanged_s >= LOOK_S:
            self._exchanged_s = now
            self._client.refresh(self._sync.sees_others)
            if self._worker.waiting:
                self._client.show_life(now)
            else:
                self._client.publish_if_idle(now)
            self._row.commit_s += self._clock.now() - now
            self._pass_signal_on()
        if self._worker.in_flight:
            self._poll_commit()

    def _pass_signal_on(self) -> None:
        """Tell rank 0 of the first signal to end the run."""
        if self._signals.received and not self._told_signal:
            self._told_signal = True
            wait_for(self._client.count("interrupts")[0])

    def _idled(self, seconds: float) -> float:
        """The user's loop did something else for `seconds`, until now; returns them."""
        now = self._clock.now()
        self._worker.idled(now - seconds, seconds)
        self._step_due_s = None
        self._client.publish_if_idle(now)
        self._poll_commit()
        return seconds

    def _stepped(self, start: float, loss: float | None) -> None:
        """The step begun at `start` is computed; its loss may be unknown."""
        worker = self._worker
        loss = math.nan if loss is None else worker.checked_loss(loss)
        end = computed = self._clock.now()
        if not self._at_own_speed:
            self._sleep_out_step(start, computed)
            end = self._clock.now()
        worker.stepped(start, computed - start, end - computed, loss)

    def _sleep_out_step(self, start: float, computed: float) -> None:
        """Sleep until the injected step time is over.

        Consecutive steps share one schedule, so that a late wake-up does not slow the worker down
        for good; a delay of more than a step is not caught up. Without a step time the step is
        stretched by the injected factor.
        """
        conditions = self._profile.at(self._worker.index, start, self._worker.steps)
        if not conditions.step_time_s:
            self._sleep_until(start + conditions.slowdown * (computed - start))
            return
        step_time_s = conditions.step_time_s * self._worker.batch_share
        due = self._step_due_s
        on_schedule = due is not None and start - due < step_time_s
        self._step_due_s = (due if on_schedule and due is not None else start) + step_time_s
        if computed > self._step_due_s:
            self._row.late_steps += 1
        self._sleep_until(self._step_due_s)

    def _sleep_until(self, due: float) -> None:
        while (left := due - self._clock.now()) > 0:
            if self._commits.in_flight:
                time.sleep(min(left, IN_FLIGHT_LOOK_S))
                self._poll_commit()
            else:
                time.sleep(min(left, LOOK_S))
                if left > LOOK_S:
                    self._look()
                    if self._board.stage != Stage.TRAIN:
                        self._worker.rest_s = max(0.0, due - self._clock.now())
                        return

    def _begin_commit(self, weight: float, now: float) -> None:
        worker = self._worker
        worker.require_finite(self._commits.is_finite)
        worker.commit_begun(now)
        conditions = self._profile.at(worker.index, now, worker.steps)
        delay_s = conditions.commit_delay_s(self._commits.num_bytes / 1e6)
        self._commits.begin(weight * self._global_lr, delay_s)
        self._commit_blocked_s = self._clock.now() - now
        self._poll_commit()

    def _poll_commit(self) -> None:
        """Let the commit in flight move on."""
        if not self._worker.in_flight:
            return
        before = self._clock.now()
        done = self._commits.poll()
        self._commit_blocked_s += self._clock.now() - before
        if done:
            self._worker.commit_done(self._clock.now(), self._commit_blocked_s)

    def _finish_commit(self) -> None:
        """Wait until no commit is in flight."""
        if not self._worker.in_flight:
            return
        before = self._clock.now()
        self._commits.finish()
        self._step_due_s = None
        self._commit_blocked_s += self._clock.now() - before
        self._worker.commit_done(self._clock.now(), self._commit_blocked_s)

    def _pull(self, keep_local: bool, start: float) -> None:
        landed = self._commits.pull(keep_local)
        self._step_due_s = None
        seconds = self._clock.now() - start
        self._worker.pulled(start, seconds, seconds, keep_local, landed)
        self._client.publish(self._clock.now())

    def _pause(self, pause: Pause) -> None:
        """Do what is due in the pause, or sleep a little."""
        if pause.due:
            self._paused_work.do(pause.due)
        else:
            self._wait()

    def _wait(self, at_most_s: float = math.inf) -> None:
        """Sleep a little, longer each time during one wait."""
        self._step_due_s = None
        if self._worker.waits != self._wait_number:
            self._wait_number = self._worker.waits
            self._backoff.reset()
        self._backoff(at_most_s)
