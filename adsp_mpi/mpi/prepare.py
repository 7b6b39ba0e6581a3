"""What every rank makes before the run: task, model, profile and its trainer."""

import json
import os
import platform
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adsp_mpi.config import Config
from adsp_mpi.core.hetero import Profile, make_profile
from adsp_mpi.core.theory import heterogeneity
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.partition import iid
from adsp_mpi.learn.task import Task, data_length
from adsp_mpi.learn.tasks import make_task
from adsp_mpi.learn.trainer import BatchOrder, LearningRate, Trainer
from adsp_mpi.mpi.window import library_version
from adsp_mpi.mpi.world import World

HEADROOM = 1.2
"""Calibrated step times are stretched by this, so that the injected speeds can be held."""


@dataclass(frozen=True)
class Prepared:
    """What a rank needs that takes no communication to make."""

    world: World
    config: Config
    task: Task
    model: FlatModel
    profile: Profile
    folder: Path

    def trainer(self) -> Trainer:
        """A worker's trainer at its first step."""
        train, seed, worker = self.config.train, self.config.run.seed, self.world.worker
        parts = iid(data_length(self.task.train_data), self.world.num_workers, seed)
        generator = np.random.default_rng([seed, worker])
        order = BatchOrder(parts[worker], train.batch_size, generator)
        rate = LearningRate(train.local_lr, train.lr_decay, train.lr_decay_steps)
        return Trainer(self.task, self.model, order, rate)

    @property
    def injected_h(self) -> float | None:
        """H of the injected step times; None where none are injected for some worker."""
        times = np.array([c.step_time_s for c in self.profile.workers])
        return heterogeneity(1.0 / times) if (times > 0).all() else None

    def headline(self) -> str:
        """What is about to run, on one line."""
        h, config = self.injected_h, self.config
        hetero = "real speeds" if h is None else f"{config.hetero.profile} (H = {h:.3f})"
        return (
            f"adsp_mpi: {config.sync.model} on {self.task.name or 'your task'}, "
            f"{self.world.num_workers} workers, {self.model.num_elements:,} parameters, {hetero}, "
            f"{library_version()}, seed {config.run.seed}"
        )

    def attributes(self) -> dict[str, Any]:
        """The trace's attributes that say what was run."""
        packages = ("adsp-mpi", "mpi4py", "numpy", "torch", "h5py")
        versions = {name: version(name) for name in packages}
        versions |= {"python": platform.python_version(), "mpi": library_version()}
        return {
            "config": self.config.to_toml(),
            "seed": self.config.run.seed,
            "model": self.config.sync.model,
            "task": self.task.name,
            "num_workers": self.world.num_workers,
            "parameters": self.model.num_elements,
            "versions": json.dumps(versions),
            "host": self.world.host,
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }


def prepare(world: World, config: Config, given_task: Task | None) -> Prepared:
    """Collective: all of it, the same on every rank; an error anywhere is raised everywhere."""
    world.agree(world.require_workers)
    folder = Path(world.comm.bcast(config.run.out or default_folder(config)))
    ready = world.agree(lambda: _prepare_here(world, config, given_task, folder))
    world.agree(lambda: _require_same_size(world, ready.model))
    return _calibrated(ready)


def _prepare_here(world: World, config: Config, given_task: Task | None, folder: Path) -> Prepared:
    torch.set_num_threads(config.run.threads)
    seed = np.random.SeedSequence([config.run.seed, world.rank]).generate_state(1)[0]
    torch.manual_seed(int(seed))
    task = given_task or make_task(config.task.name, config.task.options)
    profile = _make_profile(world, config, config.hetero.step_time_s or 1.0)
    model = FlatModel(task.make_model(), find_device(config.run.device, world.node_rank))
    if world.is_server:
        make_folder(folder)
    return Prepared(world, config, task, model, profile, folder)


def _make_profile(world: World, config: Config, step_time_s: float) -> Profile:
    try:
        return make_profile(config.hetero.profile, world.num_workers, step_time_s)
    except ValueError as error:
        raise UsageError(f"hetero.profile: {error}") from error


def _calibrated(ready: Prepared) -> Prepared:
    """Where no step time is given, the slowest natural one becomes that of the fastest worker."""
    world, config = ready.world, ready.config
    if not ready.profile.injects_speed or config.hetero.step_time_s:
        return ready
    measured = world.agree(
        lambda: 0.0 if world.is_server else calibrated_step_time_s(ready.trainer())
    )
    step_time_s = HEADROOM * max(world.allgather(measured))
    return replace(ready, profile=_make_profile(world, config, step_time_s))


def calibrated_step_time_s(trainer: Trainer, steps: int = 15) -> float:
    """Median seconds of a step of this worker on this machine, after a few to warm up."""
    durations = []
    for _ in range(steps):
        start = time.perf_counter()
        trainer.step()
        durations.append(time.perf_counter() - start)
    return float(np.median(durations[steps // 3 :]))


def default_folder(config: Config) -> str:
    name = config.sync.model.rpartition(":")[2]
    return f"runs/{time.strftime('%Y%m%d-%H%M%S')}-{name}"


def make_folder(folder: Path) -> None:
    """The run's folder, empty of other runs; UsageError where it cannot be had."""
    if (folder / "trace.h5").exists() or (folder / "parts").exists():
        raise UsageError(f"{folder} holds a run already; choose another --out")
    try:
        (folder / "parts").mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {os.strerror(error.errno or 0)}") from error


def find_device(name: str, node_rank: int) -> torch.device:
    """`cpu`, or one of this host's GPUs in turn; UsageError where there is none."""
    if name == "cpu":
        return torch.device("cpu")
    if name == "cuda":
        if not torch.cuda.is_available():
            raise UsageError("run.device = cuda, but torch sees no GPU here; use --device cpu")
        return torch.device("cuda", node_rank % torch.cuda.device_count())
    raise UsageError(f"run.device = {name!r}: there are cpu, cuda")


def _require_same_size(world: World, model: FlatModel) -> None:
    sizes = world.allgather(model.num_elements)
    if len(set(sizes)) > 1:
        raise UsageError(f"the ranks built models of different sizes: {sizes}")
