"""A worker rank: asks the synchronization model what comes next and does it."""

import math
import time
from pathlib import Path

from adsp_mpi.core.actions import Commit, Pull, Step, Wait, WorkerAction
from adsp_mpi.core.board import Stage
from adsp_mpi.core.worker import WorkerState
from adsp_mpi.errors import AdspError
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.mpi.ranks.backoff import Backoff, wait_for
from adsp_mpi.mpi.ranks.clock import Clock
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.mpi.transport.board_client import LOOK_S, WorkerBoard
from adsp_mpi.mpi.worker.checkpoint import WorkerSaver
from adsp_mpi.mpi.worker.commit import CommitPath
from adsp_mpi.mpi.worker.paused import Standing
from adsp_mpi.runtime.server_trace import part_path
from adsp_mpi.runtime.signals import Signals
from adsp_mpi.trace import schema
from adsp_mpi.trace.part_writer import PartWriter

IN_FLIGHT_LOOK_S = 1e-3


class WorkerTrace:
    """A worker's part of the trace."""

    def __init__(self, folder: Path, world: World, flush_s: float, keep_bytes: int) -> None:
        self.part = PartWriter(part_path(folder, world.part), world.rank, flush_s, keep_bytes)
        self.group = f"workers/{world.worker}"
        self.steps, self.commits, self.pulls, self.waits = (
            f"{self.group}/{name}" for name in schema.WORKER_TABLES
        )
        for name, columns in schema.WORKER_TABLES.items():
            self.part.add_table(f"{self.group}/{name}", columns)


class WorkerLoop:
    """Runs one worker from the first pull to the last commit."""

    def __init__(
        self,
        ready: Prepared,
        me: WorkerState,
        trainer: Trainer,
        commits: CommitPath,
        board: WorkerBoard,
        clock: Clock,
        trace: WorkerTrace,
        saver: WorkerSaver,
        signals: Signals,
    ) -> None:
        self.me = me
        self._saver = saver
        self._sync = ready.config.sync_model
        self._trainer = trainer
        self._commits = commits
        self._client = board
        self._board = board.board
        self._row = board.row
        self._profile = ready.profile
        self._clock = clock
        self._trace = trace
        self._signals = signals
        self._told_signal = False
        self._exchanged_s = -LOOK_S
        self._global_lr = self._sync.global_lr or 1.0 / ready.num_shares
        self._make_trainer = ready.trainer
        self._share = ready.first_share
        self._standing = Standing(me, self._share, board, commits, saver, clock.now)
        self._max_steps = ready.config.stop.max_steps or math.inf
        self._pause = Backoff(patient=True)
        self._waiting_since: tuple[float, str, int, float] | None = None
        self._step_due_s: float | None = None
        self._commit_steps = 0
        self._commit_decision = (0, math.nan)
        self._commit_blocked_s = 0.0

    def run(self) -> None:
        """Train until the server stops the run or the worker's steps are up."""
        self._client.refresh_now()
        self._sleep_out_rest()
        while True:
            self._look()
            if self._standing.lasts:
                self._stand_still()
                continue
            if self._board.stage != Stage.TRAIN:
                break
            now = self._clock.now()
            self._board.seen = math.nan
            action = self._sync.next_action(now, self.me, self._board)
            if isinstance(action, Step) and self.me.steps >= self._max_steps:
                if self._sync.commits_leftovers and self.me.steps_since_commit:
                    self._finish_commit()
                    self._begin_commit(1.0, self._clock.now())
                break
            self._do(action, now)
        self._finish_commit()
        self._end_wait()

    def _look(self) -> None:
        """Take in what the board says now and let a commit in flight move on."""
        now = self._clock.now()
        if self._sync.sees_others or now - self._exchanged_s >= LOOK_S:
            self._exchanged_s = now
            self._client.refresh(self._sync.sees_others)
            if self._waiting_since:
                self._client.show_life(now)
            else:
                self._client.publish_if_idle(now)
            self._row.commit_s += self._clock.now() - now
        if self._board.version != self.me.version:
            self._client.refresh_now()
            assigned = int(self._board.batch_sizes[self.me.index])
            self.me.follow(self._board.version, self._board.targets, assigned)
        if self._signals.received and not self._told_signal:
            self._told_signal = True
            wait_for(self._client.count("interrupts")[0])
        self._poll_commit()

    @property
    def _decision(self) -> tuple[int, float]:
        """What the last decision was based on, for the trace."""
        return self.me.version, self._board.seen

    def _do(self, action: WorkerAction, now: float) -> None:
        """Carry out what was decided at `now`."""
        if isinstance(action, Wait):
            self._wait(action.reason)
            return
        self._end_wait()
        if isinstance(action, Step):
            self._step(now)
        elif isinstance(action, Commit):
            self._begin_commit(action.weight, now)
            if self._sync.blocking_commits:
                self._finish_commit()
        elif isinstance(action, Pull):
            self._pull(action.keep_local, now)
        else:
            model = type(self._sync).__name__
            raise AdspError(
                f"{model}.next_action returned {action!r}: it must be Step(), Commit(), Pull() "
                "or Wait(reason)"
            )
        self._trace.part.flush_if_due()

    def _step(self, start: float) -> None:
        decision = self._decision
        self.me.begin_step()
        loss = self._trainer.step(self.me.batch_size)
        if not math.isfinite(loss):
            raise AdspError(
                f"worker {self.me.index}: the loss became {loss} at its step {self.me.steps + 1}; "
                "try a smaller train.local_lr or sync.global_lr"
            )
        computed = self._clock.now()
        self._sleep_out_step(start, computed)
        compute_s, sleep_s = computed - start, self._clock.now() - computed
        self.me.stepped(compute_s + sleep_s)
        batch_size = self.me.batch_size
        self._row.stepped(self.me.steps, loss, compute_s, sleep_s, batch_size)
        self._trace.part.append(
            self._trace.steps, start, compute_s, sleep_s, loss, batch_size, *decision
        )

    def _sleep_out_step(self, start: float, computed: float) -> None:
        """Sleep until the injected step time is over.

        Steps that follow one another directly share one schedule, so that a late wake-up does
        not slow the worker down for good; what is late by more than a step is not caught up.
        Without a step time the step is stretched by the injected factor.
        """
        conditions = self._profile.at(self.me.index, start, self.me.steps)
        if not conditions.step_time_s:
            self._sleep_until(start + conditions.slowdown * (computed - start))
            return
        step_time_s = conditions.step_time_s * self.me.batch_share
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
                        self.me.rest_s = max(0.0, due - self._clock.now())
                        return

    def _begin_commit(self, weight: float, now: float) -> None:
        self._commit_decision = self._decision
        self._commit_steps = self.me.steps_since_commit
        self.me.commit_begun(now)
        conditions = self._profile.at(self.me.index, now, self.me.steps)
        delay_s = conditions.commit_delay_s(self._commits.num_bytes / 1e6)
        self._commits.begin(weight * self._global_lr, delay_s)
        self._commit_blocked_s = self._clock.now() - now
        self._poll_commit()

    def _poll_commit(self) -> None:
        """Let the commit in flight move on; book it when it is done."""
        if not self.me.in_flight:
            return
        before = self._clock.now()
        done = self._commits.poll()
        self._commit_blocked_s += self._clock.now() - before
        if done:
            self._commit_is_done()

    def _finish_commit(self) -> None:
        """Stand still until no commit is in flight."""
        if not self.me.in_flight:
            return
        before = self._clock.now()
        self._commits.finish()
        self._step_due_s = None
        self._commit_blocked_s += self._clock.now() - before
        self._commit_is_done()

    def _commit_is_done(self) -> None:
        now = self._clock.now()
        self.me.commit_done(now)
        self._row.commit_s += self._commit_blocked_s
        self._trace.part.append(
            self._trace.commits,
            self.me.last_commit_begun_s,
            now,
            self.me.commits,
            self._commit_steps,
            self._commits.staleness,
            self._commit_blocked_s,
            self._commits.num_bytes,
            *self._commit_decision,
        )

    def _pull(self, keep_local: bool, start: float) -> None:
        self._commits.pull(keep_local)
        self._step_due_s = None
        self.me.pulled()
        self._row.pulls = self.me.pulls
        duration_s = self._clock.now() - start
        self._row.commit_s += duration_s
        self._trace.part.append(self._trace.pulls, start, duration_s, keep_local, *self._decision)
        self._client.publish(self._clock.now())

    def _stand_still(self) -> None:
        """No commit in flight and no step, as long as rank 0 says so."""
        self._finish_commit()
        self._end_wait()
        standing = self._standing
        standing.begin()
        while standing.lasts:
            self._wait(standing.reason)
            standing.follow()
        if standing.share != self._share and standing.share >= 0:
            self._share = standing.share
            self._trainer = self._saver.trainer = self._make_trainer(self._share)
        standing.end()
        self._sleep_out_rest()
        self._end_wait()

    def _sleep_out_rest(self) -> None:
        """What a pause cut off from a step's time comes after it: who is slow stays slow."""
        rest_s, self.me.rest_s = self.me.rest_s, 0.0
        self._sleep_until(self._clock.now() + rest_s)

    def _wait(self, reason: str) -> None:
        if self._waiting_since is None:
            self._waiting_since = (self._clock.now(), reason, *self._decision)
            self._pause.reset()
        self._pause()
        self._trace.part.flush_if_due()

    def _end_wait(self) -> None:
        if self._waiting_since is None:
            return
        since, reason, *decision = self._waiting_since
        waited = self._clock.now() - since
        self._waiting_since = None
        self._step_due_s = None
        self._row.wait_s += waited
        self._trace.part.append(self._trace.waits, since, waited, reason, *decision)
