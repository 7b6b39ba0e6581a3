"""The server's half of a run: when to evaluate, what the scheduler is told, when it is over.

Both engines drive the same `Steering`. It never reads a clock or waits by itself: `run` is a
generator that yields `Until`s, and the engine comes back when one is over.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Generator, Protocol

import numpy as np

from adsp_mpi.core.actions import TRIAL, Observed, Run, Setup, Snapshot, Tell
from adsp_mpi.core.board import Board, Presence, Stage
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.scheduler import (
    Command,
    Scheduler,
    observations_of,
    observations_state,
    observe,
    put_on_board,
)
from adsp_mpi.core.stop import StopRule
from adsp_mpi.errors import AdspError


@dataclass(frozen=True, slots=True)
class Until:
    """Come back at second `moment` of the run, or as soon as `ready()` holds."""

    moment: float
    ready: Callable[[], bool]


class ServerEngine(Protocol):
    """What steering asks of the engine it runs on."""

    @property
    def board(self) -> Board:
        """What everyone can see."""

    def now(self) -> float:
        """Seconds since the run's start."""

    def judge(self) -> dict[str, float]:
        """Evaluate the global model as it is now; metrics with at least `loss`."""

    def judged(self, now: float, trial: bool, metrics: dict[str, float]) -> None:
        """Record the metrics of an evaluation that began at `now`."""

    def keep_model(self) -> None:
        """The model judged last is good: the one to fall back on."""

    def outer_step(self) -> None:
        """Add to the global model what its commit rule says, and record the norm of it."""

    def take_snapshot(self) -> None:
        """Keep a copy of the global model and of its commit rule's state."""

    def put_back_snapshot(self) -> None:
        """The global model and its commit rule's state become the copies."""

    def targets_changed(self, phase: str) -> None:
        """The board shows new targets: record them."""

    def told(self, told: Tell) -> None:
        """Record a model's own numbers."""

    def observed(self, seen: Observed) -> None:
        """Record what the scheduler is about to see."""

    def interrupted(self) -> str | None:
        """Why the run must end at once, or None."""


@dataclass
class Progress:
    """Where the run stands, for screen and report."""

    phase: str = "start"
    metrics: dict[str, float] = field(default_factory=dict)
    told: dict[str, dict[str, float]] = field(default_factory=dict)
    evaluations: list[tuple[float, float]] = field(default_factory=list)  # those that count
    trial_s: float = 0.0  # of the trials that are over
    since_s: float = 0.0  # when the current phase began

    def trials_until(self, now: float) -> float:
        """Seconds of all trials and their standstills, also of one that goes on at `now`."""
        return self.trial_s + (now - self.since_s if self.phase == TRIAL else 0.0)


class Steering:
    """`start` while the workers stand still, then `run` to the end."""

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
        self._losses: list[tuple[float, float]] = []  # since the Run began, and the one before
        self._waiting_run: Run | None = None
        self._begun_s = self._run_end_s = self._next_evaluation_s = 0.0
        self._has_outer_step = sync.commit_rule().has_outer_step
        self._outer_steps = 0
        self._judged: tuple[tuple[int, ...], dict[str, float]] = (), {}
        self.settled = False
        """`run` waits for the next evaluation or check: `state_dict` holds all there is to know."""

    def start(self) -> None:
        """Judge the initial model and give out the first targets."""
        self._begun_s = self._run_end_s = self._engine.now()
        self.evaluate()
        seen = self._observe()
        self._scheduler = Scheduler(self._sync, self._setup, seen, self._take_told)
        if isinstance(self._scheduler.command, Run):
            self._begin(self._scheduler.command, standing=True)
        self._next_evaluation_s = self._engine.now() + self._evaluation_period_s

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """In the place of `start`: stand where the steering that gave `state` stood."""
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
        self._waiting_run = self._dated(command) if state["run_waits"] else None
        self._stop.recent.extend(state["recent"])
        for name, value in state["progress"].items():
            setattr(self.progress, name, value)
        self.progress.since_s = self._begun_s
        self.progress.evaluations = [(s, loss) for s, loss in state["evaluations"]]

    def remember(self, state: dict[str, Any]) -> None:
        """After `start`: the losses of a run whose scheduler cannot go on still count."""
        self.progress.evaluations[:0] = [(s, loss) for s, loss in state["evaluations"]]
        self.progress.trial_s = state["progress"]["trial_s"]

    def state_dict(self) -> dict[str, Any]:
        """For `load_state_dict`; only while `settled`."""
        progress = self.progress
        return {
            "observations": observations_state(self._scheduler.observations),
            "moments": [self._begun_s, self._run_end_s, self._next_evaluation_s],
            "losses": self._losses,
            "run_waits": self._waiting_run is not None,
            "recent": list(self._stop.recent),
            "progress": {
                "phase": progress.phase,
                "metrics": progress.metrics,
                "told": progress.told,
                "trial_s": progress.trial_s,
            },
            "evaluations": progress.evaluations,
        }

    def run(self) -> Generator[Until, None, str]:
        """Evaluate and feed the scheduler in turn; returns why the run is over.

        A `Run` that is over ends with the commit rule's outer step, and is judged after it.

        Raises AdspError when the global loss is not finite or the scheduler misbehaves.
        """
        if not isinstance(self._scheduler.command, Run):
            yield from self._next_run(self._scheduler.command)
            self._next_evaluation_s = self._engine.now() + self._evaluation_period_s
        while True:
            event_s = min(self._run_end_s, self._next_evaluation_s)
            self.settled = True
            yield Until(min(event_s, self._stop.latest_s), self._must_look)
            self.settled = False
            now = self._engine.now()
            reason = self._stop.timed(now) or self._ended_by_workers()
            if not reason and now >= event_s:
                if now >= self._run_end_s:
                    self._outer_step()
                self._next_evaluation_s = now + self._evaluation_period_s
                reason = self.evaluate()
            if reason:
                return reason
            if self._waiting_run:
                self._put(self._waiting_run, standing=False)
            if now >= self._run_end_s:
                yield from self._next_run(self._scheduler.advance(self._observe()))

    def evaluate(self) -> str | None:
        """Judge the global model; the reason to stop, or None."""
        now, progress = self._engine.now(), self.progress
        trial = progress.phase == TRIAL
        metrics = self._metrics()
        self._engine.judged(now, trial, metrics)
        loss = metrics["loss"]
        self._losses.append((now, loss))
        if trial:
            return None
        if not math.isfinite(loss):
            raise AdspError(bad_loss(loss, now, untrained=not progress.evaluations))
        self._engine.keep_model()
        progress.metrics = metrics
        progress.evaluations.append((now, loss))
        return self._stop.evaluated(loss)

    def _metrics(self) -> dict[str, float]:
        """Metrics of the global model; those known already where nothing has changed it since."""
        model = self._board.landed, int(self._board.restores), self._outer_steps
        if model != self._judged[0]:
            self._judged = model, self._engine.judge()
        return self._judged[1]

    def _outer_step(self) -> None:
        if self._has_outer_step:
            self._outer_steps += 1
            self._engine.outer_step()

    def _next_run(self, command: Command) -> Generator[Until, None, None]:
        """Carry out commands up to the next `Run` and begin it."""
        paused = not isinstance(command, Run)
        if paused:
            self._board.stage = Stage.PAUSE
            yield self._workers(lambda: self._board.column("presence") == Presence.PAUSED)
        while not isinstance(command, Run):
            if isinstance(command, Snapshot):
                self._engine.take_snapshot()
            else:
                yield from self._restore()
            command = self._scheduler.advance(self._observe())
        self._begin(command, standing=paused)
        if paused:
            self._board.stage = Stage.TRAIN

    def _restore(self) -> Generator[Until, None, None]:
        """Every worker takes the snapshot; what is judged until the next `Run` does not count."""
        self._engine.put_back_snapshot()
        self._board.restores += 1
        yield self._workers(lambda: self._board.column("restores") == self._board.restores)
        self.progress.phase = TRIAL
        self.evaluate()
        del self._losses[:-1]

    def _begin(self, run: Run, standing: bool) -> None:
        progress, self._begun_s = self.progress, self._engine.now()
        progress.trial_s = progress.trials_until(self._begun_s)
        progress.phase, progress.since_s = run.phase, self._begun_s
        run = self._dated(run)
        self._run_end_s = self._begun_s + run.seconds
        del self._losses[:-1]
        self._put(run, standing)

    def _dated(self, run: Run) -> Run:
        """`run` as the board shows it: it knows when its check period began."""
        return replace(run, targets=replace(run.targets, since_s=self._begun_s))

    def _put(self, run: Run, standing: bool) -> None:
        """Show `run` on the board, now or, what has to wait, at a later look."""
        version = self._board.version
        self._waiting_run = None if put_on_board(run, self._board, standing) else run
        if self._board.version != version:
            self._engine.targets_changed(run.phase)

    def _observe(self) -> Observed:
        seen = observe(self._engine.now(), tuple(self._losses), self._board)
        self._engine.observed(seen)
        return seen

    def _take_told(self, told: Tell) -> None:
        self.progress.told[told.table] = told.values
        self._engine.told(told)

    def _must_look(self) -> bool:
        return bool(self._waiting_run) or self._ended_by_workers() is not None

    def _ended_by_workers(self) -> str | None:
        reason = self._engine.interrupted()
        if not reason and not self._board.present.any():
            return "every worker took its last step"
        return reason

    def _workers(self, done: Callable[[], np.ndarray]) -> Until:
        """Until `done`, bool[M], holds for every worker that takes part."""
        return Until(math.inf, lambda: bool((done() | ~self._board.present).all()))


def bad_loss(loss: float, now: float, untrained: bool) -> str:
    """What to do about a global loss that is not finite."""
    if untrained:
        return f"the loss of the untrained model is {loss}: check the data and the loss function"
    return (
        f"the global loss became {loss} after {now:.1f} s; the last good model is kept. "
        "Try a smaller train.local_lr or sync.global_lr"
    )
