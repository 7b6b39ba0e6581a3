"""The server's half of a run: it evaluates, feeds the scheduler, and decides when the run is over.

Both engines drive the same `Steering`. It never reads a clock or waits by itself: `run` is a
generator that yields an `Until` where it waits, and the engine resumes it when that is over.
"""

import math
from dataclasses import replace
from typing import Any, Callable, Generator

from adsp_mpi.core.actions import TRIAL, Observed, Run, Setup, Snapshot, Tell
from adsp_mpi.core.board import PauseReason, Presence, Stage
from adsp_mpi.core.longer_period import LongerPeriod
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.progress import Progress
from adsp_mpi.core.scheduler import (
    Command,
    Scheduler,
    is_late,
    observations_of,
    observe,
    put_on_board,
)
from adsp_mpi.core.server_engine import Judging, ServerEngine, Until, workers_have
from adsp_mpi.core.stop import STEPS_TAKEN, StopRule
from adsp_mpi.errors import AdspError


class Steering:
    """Steers a run: call `start` while no worker trains, then `run` to the end."""

    def __init__(
        self,
        engine: ServerEngine,
        sync: SyncModel,
        setup: Setup,
        stop: StopRule,
        evaluation_period_s: float,
    ) -> None:
        self._engine = engine
        self._board = engine.board
        self._sync = sync
        self._setup = setup
        self._stop = stop
        self._evaluation_period_s = evaluation_period_s
        self.progress = Progress()
        self._losses: list[tuple[float, float]] = []  # during this Run, and the last one before it
        self._waiting_run: Run | None = None
        self._begun_s = self._run_end_s = self._next_evaluation_s = 0.0
        self._longer = LongerPeriod()
        self._has_outer_step = sync.commit_rule().has_outer_step
        self._outer_steps = 0
        self._made_outer_step = False  # after the present Run
        self._judged_model: tuple[int, ...] = ()
        self._judging: Judging
        self.settled = False
        """Whether `run` waits with workers that train, so that `state_dict` is complete."""

    def start(self) -> None:
        """Judge the initial model and set the first targets."""
        self._begun_s = self._run_end_s = self._engine.now()
        self.evaluate()
        seen = self._observed(self._counts())
        self._scheduler = Scheduler(self._sync, self._setup, seen, self._take_told)
        if isinstance(self._scheduler.command, Run):
            self._begin(self._scheduler.command, paused=True)
        self._next_evaluation_s = self._engine.now() + self._evaluation_period_s

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`, in the place of `start`."""
        first, *rest = observations_of(state["observations"])
        self._scheduler = Scheduler(self._sync, self._setup, first, lambda told: None)
        for seen in rest:
            self._scheduler.advance(seen)
        self._scheduler.on_tell = self._take_told
        command = self._scheduler.command
        if not isinstance(command, Run):
            raise AdspError(f"the scheduler, fed as it was before, asks for {command!r} now")
        self._begun_s, self._run_end_s, self._next_evaluation_s = state["moments"]
        self._losses = [(s, loss) for s, loss in state["losses"]]
        self._longer = LongerPeriod(*state["longer"])
        self._made_outer_step = state["made_outer_step"]
        self._waiting_run = self._dated(command) if state["run_waits"] else None
        self._stop.recent.extend(state["recent"])
        self._stop.best.load_state_dict(state["best"])
        for name, value in state["progress"].items():
            setattr(self.progress, name, value)
        self.progress.since_s = self._begun_s
        self.progress.evaluations = [(s, loss) for s, loss in state["evaluations"]]

    def remember(self, state: dict[str, Any]) -> None:
        """After `start`, take over the losses of a resumed run whose scheduler begins anew."""
        self.progress.evaluations[:0] = [(s, loss) for s, loss in state["evaluations"]]
        self.progress.trial_s = state["progress"]["trial_s"]

    def state_dict(self) -> dict[str, Any]:
        """The state for `load_state_dict`; only while `settled`."""
        progress = self.progress
        return {
            "observations": self._scheduler.state_dict(),
            "moments": [self._begun_s, self._run_end_s, self._next_evaluation_s],
            "losses": self._losses,
            "longer": [self._longer.raised, self._longer.times],
            "made_outer_step": self._made_outer_step,
            "run_waits": self._waiting_run is not None,
            "recent": list(self._stop.recent),
            "best": self._stop.best.state_dict(),
            "progress": {
                "phase": progress.phase,
                "metrics": progress.metrics,
                "told": progress.told,
                "trial_s": progress.trial_s,
            },
            "evaluations": progress.evaluations,
        }

    def run(self) -> Generator[Until, None, str]:
        """Evaluate and feed the scheduler until the run is over; returns the reason.

        A `Run` ends with the commit rule's outer step, after which the model is judged. While it is
        judged the workers train and commit on, and the run can end.

        Raises AdspError if the global loss is not finite or the scheduler breaks its contract.
        """
        if not isinstance(self._scheduler.command, Run):
            yield from self._next_run(self._scheduler.command)
            self._next_evaluation_s = self._engine.now() + self._evaluation_period_s
        while True:
            event_s = min(self._run_end_s, self._next_evaluation_s)
            reason = yield from self._train(event_s, lambda: False)
            now, seen = self._engine.now(), self._counts()
            if not reason and now >= event_s:
                if now >= self._run_end_s:
                    self._outer_step()
                judging = self._judge()
                while not (reason or judging.done()):
                    reason = yield from self._train(self._raise_s(), judging.done)
                    self._raise_target()
                reason = reason or self._take(now, judging)
                self._next_evaluation_s = now + self._evaluation_period_s
            if reason:
                return reason
            if now >= self._run_end_s:
                yield from self._next_run(self._scheduler.advance(self._observed(seen)))

    def evaluate(self) -> str | None:
        """Judge the global model, however long it takes; returns the reason to stop, or None."""
        return self._take(self._engine.now(), self._judge())

    def _train(
        self, moment: float, ready: Callable[[], bool]
    ) -> Generator[Until, None, str | None]:
        """Wait while the workers train; returns the reason if the run is over meanwhile."""
        self.settled = True
        yield Until(min(moment, self._stop.latest_s), lambda: ready() or self._must_look())
        self.settled = False
        reason = self._stop.timed(self._engine.now()) or self._ended_by_workers()
        if self._waiting_run and not reason:
            self._put(self._waiting_run, paused=False)
        return reason

    def _take(self, now: float, judging: Judging) -> str | None:
        """Take what was judged at `now`; returns the reason to stop, or None."""
        progress = self.progress
        trial = progress.phase == TRIAL
        metrics = judging.result() or self._board.mean_loss()
        if not metrics:
            return None
        self._engine.judged(now, trial, metrics)
        loss = metrics["loss"]
        self._losses.append((now, loss))
        if trial:
            return None
        if not math.isfinite(loss):
            raise AdspError(bad_loss(loss, now, untrained=not progress.evaluations))
        progress.metrics = metrics
        progress.evaluations.append((now, loss))
        reason = self._stop.evaluated(metrics)
        self._engine.keep_model(best=not self._stop.best.since)
        return reason

    def _judge(self) -> Judging:
        """Begin to judge the global model, again only if it has changed."""
        model = self._board.landed, int(self._board.restores), self._outer_steps
        if model != self._judged_model:
            self._judged_model, self._judging = model, self._engine.judge()
        return self._judging

    def _outer_step(self) -> None:
        if self._has_outer_step and not self._made_outer_step:
            self._made_outer_step = True
            self._outer_steps += 1
            self._engine.outer_step()

    def _raise_s(self) -> float:
        return self._longer.raise_s(self._run_end_s, self._board.targets)

    def _raise_target(self) -> None:
        """Raise the commit target if the present period is over and its end still being judged."""
        if self._engine.now() >= self._raise_s() and not self._waiting_run:
            self._board.targets = self._longer.next(self._run_end_s, self._board.targets)
            self._engine.targets_changed(self.progress.phase)

    def _next_run(self, command: Command) -> Generator[Until, None, None]:
        """Carry out all commands before the next `Run`, and begin it."""
        paused = not isinstance(command, Run)
        if paused:
            self._board.pause(PauseReason.SNAPSHOT)
            yield workers_have(self._board, "presence", Presence.PAUSED)
        while not isinstance(command, Run):
            if isinstance(command, Snapshot):
                self._engine.take_snapshot()
                self._board.snapshots += 1
                yield workers_have(self._board, "snapshots", self._board.snapshots)
            else:
                yield from self._restore()
            command = self._scheduler.advance(self._observed(self._counts()))
        self._begin(command, paused=paused)
        if paused:
            self._board.stage = Stage.TRAIN

    def _restore(self) -> Generator[Until, None, None]:
        """Let every worker return to the snapshot; losses until the next `Run` do not count."""
        self._engine.put_back_snapshot()
        self._board.restores += 1
        yield workers_have(self._board, "restores", self._board.restores)
        self.progress.phase = TRIAL
        now, judging = self._engine.now(), self._judge()
        while not judging.done():
            yield Until(math.inf, judging.done)
        self._take(now, judging)
        del self._losses[:-1]

    def _begin(self, run: Run, paused: bool) -> None:
        self._begun_s = now = self._engine.now()
        raised = self._longer.raised_until(now, self._run_end_s, self._board.targets)
        self._longer = LongerPeriod(raised)
        self._made_outer_step = False
        self.progress.begin(run.phase, now)
        self._run_end_s = now + run.seconds
        del self._losses[:-1]
        self._put(self._dated(run), paused)

    def _dated(self, run: Run) -> Run:
        """`run` with the start of its check period, and its commit target as it was raised."""
        target = run.targets.commit_target + self._longer.raised
        return replace(
            run, targets=replace(run.targets, since_s=self._begun_s, commit_target=target)
        )

    def _put(self, run: Run, paused: bool) -> None:
        """Put `run` on the board; a part that has to wait is put there later."""
        version, before = self._board.version, self._board.targets
        self._waiting_run = None if put_on_board(run, self._board, paused) else run
        late = is_late(before, self._board)
        if self._board.version != version:
            self._engine.targets_changed(run.phase)
        if late:
            self._engine.told(Tell("late_plans", {"from_round": self._board.targets.from_round}))

    def _counts(self) -> Observed:
        """What a scheduler may observe of the board, without losses."""
        now = self._engine.now()
        raised = self._longer.raised_until(now, self._run_end_s, self._board.targets)
        return observe(now, self._board, raised)

    def _observed(self, seen: Observed) -> Observed:
        """`seen` with the losses, recorded."""
        seen = replace(seen, losses=tuple(self._losses))
        self._engine.observed(seen)
        return seen

    def _take_told(self, told: Tell) -> None:
        self.progress.told[told.table] = told.values
        self._engine.told(told)

    def _must_look(self) -> bool:
        return bool(self._waiting_run) or self._ended_by_workers() is not None

    def _ended_by_workers(self) -> str | None:
        taken = None if self._board.present.any() else STEPS_TAKEN
        return self._engine.interrupted() or taken


def bad_loss(loss: float, now: float, untrained: bool) -> str:
    """What to do about a global loss that is not finite."""
    if untrained:
        return f"the loss of the untrained model is {loss}: check the data and the loss function"
    return (
        f"the global loss became {loss} after {now:.1f} s; the last good model is kept. "
        "Try a smaller train.local_lr or sync.global_lr"
    )
