"""Simulates one run in virtual time, from a configuration to its results."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable

import numpy as np

from adsp_mpi.config import Config
from adsp_mpi.core.hetero.profile import Profile
from adsp_mpi.core.report import Report, board_report
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.events import Events
from adsp_mpi.learn.model_file import require_format
from adsp_mpi.runtime.checkpoint_files import SERVER, Checkpoints, save
from adsp_mpi.runtime.model_files import ModelFiles
from adsp_mpi.runtime.profiles import profile_of
from adsp_mpi.runtime.resume import Checkpoint, find_checkpoint
from adsp_mpi.runtime.run_info import headline, resumed_line, run_attributes
from adsp_mpi.runtime.saved_model import HomeFile
from adsp_mpi.runtime.server_trace import ServerTrace
from adsp_mpi.screen import QuietScreen, Screen
from adsp_mpi.sim.checkpoint import engine_state, resume_engine
from adsp_mpi.sim.engine import Engine
from adsp_mpi.sim.own_loop import LoopProblem
from adsp_mpi.sim.problem import Problem, make_problem
from adsp_mpi.trace.memory_writer import MemoryPart, WorkerRows, write_trace

STEP_TIME_S = 1.0
"""The fastest worker's step time if the configuration sets none."""


@dataclass(frozen=True)
class Simulated:
    """The results of a simulated run. `wall_s` is real seconds; all other times are virtual."""

    report: Report
    evaluations: list[tuple[float, float]]
    targets: list[dict[str, Any]]
    told: list[tuple[str, dict[str, float]]]
    actions: int
    wall_s: float
    trace_path: Path | None
    model_path: Path | None


def simulate(
    config: Config,
    folder: Path | None = None,
    screen: Screen | None = None,
    profile: Profile | None = None,
    stopped: Callable[[], bool] = lambda: False,
    loop: LoopProblem | None = None,
) -> Simulated:
    """Run `config` in virtual time; if there is a `folder`, write the trace and the model there.

    Deterministic: the same configuration gives the same rows, bit for bit. `profile` replaces the
    one that the configuration names; the run ends early once `stopped()` is true. A user's `loop`,
    whose configuration this is, stands in the place of the task. Raises AdspError if the run fails;
    what was recorded until then is written.
    """
    began = time.perf_counter()
    require_format(config.run.models)
    screen = screen or QuietScreen()
    profile = profile or simulated_profile(config)
    workers = len(profile.workers)
    if config.run.spares >= workers:
        raise UsageError(
            f"--spares {config.run.spares} leaves none of the {workers} workers to begin with"
        )
    problem: Problem = loop or make_problem(config, workers)
    part, rows = MemoryPart(), WorkerRows()
    facts = run_attributes(config, "sim", workers, problem.name, len(problem.values), {})
    part.attributes("/", facts)
    for i, conditions in enumerate(profile.workers):
        own = {"host": "simulated", "step_time_s": conditions.step_time_s}
        part.attributes(f"workers/{i}", {**own, **problem.attributes(i)})
    size = len(problem.values)
    trace = ServerTrace(part)
    events = Events(trace, screen, problem.loggers, problem.callbacks(0))
    for text in (headline(config, profile, problem.name, size, "virtual time"), *problem.notes):
        events.note(text)
    engine = Engine(config, problem, profile, trace, rows, events, stopped)
    problem.begin(engine.done_share)
    saver = Saver(config, folder, engine, part, rows, trace, events) if folder else None
    engine.save = saver.save if saver else None
    engine.files = ModelFiles(partial(_save, engine, config, folder)) if folder else None
    if saver and (found := find_checkpoint(config)):
        saver.resume(found)
        events.note(resumed_line(found.path, engine.clock.now, found.state["ended"]))
    try:
        engine.run()
        if saver:
            saver.save(engine.reason)
        engine.close()
    finally:
        screen.close()
        events.ended(engine.ended_s, engine.reason)
        paths = _write(config, folder, engine, part, rows) if folder else (None, None)
    done = Simulated(
        board_report(
            facts,
            engine.board,
            engine.progress,
            engine.reason,
            engine.ended_s,
            config.stop.target_loss,
            [conditions.step_time_s for conditions in profile.workers],
        ),
        engine.progress.evaluations,
        rows_as_dicts(part.table("ps/targets")),
        part.told,
        engine.actions,
        time.perf_counter() - began,
        *paths,
    )
    if loop:
        loop.finish(done)
    return done


class Saver:
    """Writes the checkpoints of a simulation, and resumes from one."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        engine: Engine,
        part: MemoryPart,
        rows: WorkerRows,
        trace: ServerTrace,
        events: Events,
    ) -> None:
        self._config = config
        keep = config.checkpoint
        self._checkpoints = Checkpoints(folder, keep.keep, keep.keep_every_s)
        self._home = HomeFile(folder, engine.problem.model)
        self._engine = engine
        self._part, self._rows, self._trace, self._events = part, rows, trace, events

    def save(self, ended: str = "") -> None:
        """Write a checkpoint; `ended` is the reason if the run is over."""
        path = self._checkpoints.begin()
        state = {
            "config": self._config.to_toml(),
            "ended": ended,
            "table": model.table if (model := self._engine.problem.model) else [],
            "engine": engine_state(self._engine),
            "server": self._part.state,
            "workers": self._rows.state,
            "counts": self._trace.counts,
        }
        self._home.write()
        save(path / SERVER, state)
        self._events.saved(self._engine.clock.now, 0.0, self._checkpoints.finish(path))

    def resume(self, found: Checkpoint) -> None:
        """Continue recording from the checkpoint `found`."""
        if "engine" not in found.state:
            raise AdspError(f"{found.path} is of a run under MPI; it cannot be simulated on")
        resume_engine(self._engine, found.state["engine"])
        self._part.resume(found.state["server"])
        self._rows.resume(found.state["workers"])
        self._trace.resume(found.state["counts"])


def simulated_profile(config: Config) -> Profile:
    """The configured profile for all simulated workers, each of which has a step time."""
    step_time_s = config.hetero.step_time_s or STEP_TIME_S
    profile = profile_of(config, config.simulate.workers, step_time_s)
    return profile.with_step_time(step_time_s)


def _write(
    config: Config, folder: Path, engine: Engine, part: MemoryPart, rows: WorkerRows
) -> tuple[Path, Path]:
    """Write trace and models."""
    trace_path = write_trace(folder, part, rows, engine.board.num_workers)
    if engine.files:
        engine.files.write("last")
    return trace_path, _save(engine, config, folder, "model")


def _save(engine: Engine, config: Config, folder: Path, name: str) -> Path:
    """Write the model evaluated last to the file `name` in `folder`; returns its path."""
    return engine.problem.save(engine.good_values, folder / f"{name}.{config.run.models}")


def rows_as_dicts(rows: np.ndarray) -> list[dict[str, Any]]:
    """The rows of a structured array as dicts of Python values."""
    names = rows.dtype.names or ()
    return [
        {n: v.decode() if isinstance(v, bytes) else v for n, v in zip(names, row, strict=True)}
        for row in rows.tolist()
    ]
