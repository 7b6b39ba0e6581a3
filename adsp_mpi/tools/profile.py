"""`mpirun -n N python -m adsp_mpi profile`: measures these machines and their links.

Measures the step time of the configured task and the cost of a commit on every worker, and writes
a profile from which `--hetero` injects them elsewhere.
"""

import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

import numpy as np
from mpi4py import MPI

from adsp_mpi.config import Config, HeteroSection
from adsp_mpi.core.board import Board
from adsp_mpi.core.theory import heterogeneity
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.mpi.ranks.backoff import wait_until
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.setup import Prepared, build
from adsp_mpi.mpi.transport.choose import make_model_array
from adsp_mpi.mpi.transport.chunk_size import chosen_chunk
from adsp_mpi.mpi.transport.mpi_library import library_version
from adsp_mpi.mpi.transport.progress import ProgressHelper
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.mpi.worker.commit import LOOK_S
from adsp_mpi.runtime.task_workload import task_workload
from adsp_mpi.tables import Table, labelled

WARM_UP_STEPS = 5
MIN_STEPS = 5
STEPS_S = 3.0
"""All workers train for this long at the same time, as in a run: they may share cores."""

MAX_COMMITS = 50
COMMITS_S = 0.5

SMALLEST_JITTER = 0.02
"""A jitter below this is written as none."""


@dataclass(frozen=True)
class Measured:
    """The measured cost of one worker's steps and commits.

    Step times are described by the log-normal distribution with their mean and the spread of
    their logarithms. Where ranks share cores, steps are either undisturbed or interrupted; the
    plain median would be the time of one or the other kind, and not give the speed.
    """

    host: str
    step_time_s: float  # median of that distribution
    jitter: float  # its sigma
    delay_s: float  # the time of a commit of one number
    bandwidth_mb_s: float  # from how much longer a whole model takes; 0: no longer

    @property
    def speed(self) -> float:
        """Steps per second."""
        return math.exp(-(self.jitter**2) / 2) / self.step_time_s


def measure(config: Config) -> None:
    """Measure all workers; rank 0 writes the profile to `run.out` and prints a table."""
    world = World()
    world.agree(lambda: world.require_workers(0))
    path = Path(config.run.out or "profile.toml")
    world.agree(lambda: require_new(path) if world.is_server else None)
    ready = build(world, replace(config, hetero=HeteroSection()), task_workload(None), path.parent)
    mine = Measured(world.host, *measure_steps(ready), *measure_commits(ready))
    workers = world.allgather(mine)[1:]
    world.agree(lambda: write(path, profile_toml(ready, workers)) if world.is_server else None)
    if world.is_server:
        print(table(workers), flush=True)
        print(f"written to {path}; inject it with --hetero {path}", flush=True)


def require_new(path: Path) -> None:
    """Raise UsageError if no profile can be written to `path`, before anything is measured."""
    if path.suffix != ".toml":
        raise UsageError(f"--out {path}: the name of a profile ends in .toml")
    if path.exists():
        raise UsageError(f"--out {path}: this file exists already; choose another")
    if not path.parent.is_dir():
        raise UsageError(f"--out {path}: there is no folder {path.parent}")


def measure_steps(ready: Prepared) -> tuple[float, float]:
    """Collective: this worker's `step_time_s` and `jitter`; on rank 0 without meaning."""
    world, batch_size = ready.world, ready.config.train.batch_size

    def warmed_up() -> Trainer:
        trainer = ready.trainer()
        for _ in range(WARM_UP_STEPS):
            trainer.step(batch_size)
        return trainer

    trainer = world.agree(lambda: None if world.is_server else warmed_up())
    durations = world.agree(lambda: step_durations(trainer, batch_size) if trainer else np.ones(1))
    jitter = float(np.std(np.log(durations)))
    return float(np.mean(durations)) * math.exp(-(jitter**2) / 2), jitter


def step_durations(trainer: Trainer, batch_size: int) -> np.ndarray:
    """The seconds of each step begun within STEPS_S; at least MIN_STEPS steps."""
    durations: list[float] = []
    begun = time.perf_counter()
    while len(durations) < MIN_STEPS or time.perf_counter() - begun < STEPS_S:
        start = time.perf_counter()
        trainer.step(batch_size)
        durations.append(time.perf_counter() - start)
    return np.array(durations)


def measure_commits(ready: Prepared) -> tuple[float, float]:
    """Collective: this worker's `delay_s` and `bandwidth_mb_s`; one worker measures at a time."""
    world = ready.world
    array = make_model_array(world, ready.model.num_elements, chosen_chunk(world))
    costs = 0.0, 0.0
    with eager_progress(world) if world.is_server else nullcontext():
        for rank in range(1, world.comm.size):
            world.wait_for_all()
            if world.rank == rank:
                costs = commit_costs(array)
        world.wait_for_all()
    array.free()
    return costs


def eager_progress(world: World) -> ProgressHelper:
    """Rank 0's progress helper, as eager as while a commit is in flight in a run."""
    in_flight = Board(world.num_workers)
    in_flight.column("begun")[:] = 1
    return ProgressHelper(world, in_flight)


def commit_costs(array: RemoteArray) -> tuple[float, float]:
    """Seconds of a commit of one number, and MB/s by the extra time of a commit of the array."""
    delay_s = commit_s(array, 1)
    longer_s = commit_s(array, array.num_elements) - delay_s
    megabytes = array.num_elements * array.dtype.itemsize / 1e6
    return delay_s, megabytes / longer_s if longer_s > 0 else 0.0


def commit_s(array: RemoteArray, num_elements: int) -> float:
    """Median seconds of a commit of `num_elements` numbers, the first commit left out."""
    values, before = (np.ones(num_elements, array.dtype) for _ in range(2))

    def commit() -> float:
        start = time.perf_counter()
        requests = array.add(values, before)
        wait_until(lambda: MPI.Request.Testall(requests), longest_s=LOOK_S)
        array.flush()
        return time.perf_counter() - start

    commit()
    durations = [commit()]
    while len(durations) < MAX_COMMITS and sum(durations) < COMMITS_S:
        durations.append(commit())
    return float(np.median(durations))


def profile_toml(ready: Prepared, workers: list[Measured]) -> str:
    """The profile as the TOML text of a file for `--hetero`."""
    config, megabytes = ready.config, 4 * ready.model.num_elements / 1e6
    lines = [
        f"# measured: {config.task.name}, batches of {config.train.batch_size}, "
        f"commits of {megabytes:.3g} MB, {library_version()}",
        *(f"# worker {i}: {worker.host}" for i, worker in enumerate(workers)),
        "# step_time_s is the median of steps that vary by jitter; delay and bandwidth come on top",
        "# of what commits cost where the profile is injected",
    ]
    for key in ("step_time_s", "delay_s", "bandwidth_mb_s"):
        values = ", ".join(f"{getattr(worker, key):.4g}" for worker in workers)
        lines.append(f"{key} = [{values}]")
    for i, worker in enumerate(workers):
        if worker.jitter > SMALLEST_JITTER:
            lines += ["", "[[change]]", f"workers = [{i}]", f"jitter = {worker.jitter:.3g}"]
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Write a new file; UsageError if that fails."""
    try:
        with path.open("x") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}") from error


def table(workers: list[Measured]) -> str:
    """The measurements as a table; `step ms` is the mean, 1 / speed."""
    columns: dict[str, Callable[[tuple[int, Measured]], str]] = {
        "worker": lambda row: str(row[0]),
        "host": lambda row: row[1].host,
        "step ms": lambda row: f"{1e3 / row[1].speed:.2f}",
        "jitter": lambda row: f"{row[1].jitter:.3f}",
        "commit ms": lambda row: f"{row[1].delay_s * 1e3:.3f}",
        "MB/s": lambda row: f"{row[1].bandwidth_mb_s:.1f}" if row[1].bandwidth_mb_s else "-",
    }
    h = heterogeneity(np.array([worker.speed for worker in workers]))
    lines = Table.of(columns, enumerate(workers), words=["host"]).lines()
    return "\n".join([*lines, *labelled([("heterogeneity H", f"{h:.3f}")])])
