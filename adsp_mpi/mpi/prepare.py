"""What every rank makes before the run: task, model, profile and its trainer."""

import json
import os
import platform
import time
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adsp_mpi.config import Config
from adsp_mpi.core.hetero import PRESETS, Profile, make_profile
from adsp_mpi.core.theory import heterogeneity
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.partition import label_histogram, make_partition
from adsp_mpi.learn.task import Task, data_length, labels_of
from adsp_mpi.learn.tasks import make_task
from adsp_mpi.learn.trainer import BatchOrder, LearningRate, Trainer
from adsp_mpi.mpi.window import library_version
from adsp_mpi.mpi.world import World
from adsp_mpi.trace import Trace, schema

HEADROOM = 1.2
"""Calibrated step times are stretched by this, so that the injected speeds can be held."""

MAX_LABELS = 1000


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
        generator = np.random.default_rng([seed, worker])
        order = BatchOrder(self._part, generator)
        rate = LearningRate(train.local_lr, train.lr_decay, train.lr_decay_steps)
        return Trainer(self.task, self.model, order, rate)

    def part_attributes(self) -> dict[str, Any]:
        """A worker's number of training samples, and how many of each label, as JSON.

        "" where the data have no labels, or more of them than an attribute may hold.
        """
        part, labels = self._part, labels_of(self.task.train_data)
        histogram = {} if labels is None else label_histogram(labels, part)
        told = 0 < len(histogram) <= MAX_LABELS
        return {"samples": len(part), "labels": json.dumps(histogram) if told else ""}

    @cached_property
    def _part(self) -> np.ndarray:
        """The training samples of this worker."""
        data, config = self.task.train_data, self.config
        num_samples, num_workers = data_length(data), self.world.num_workers
        spec, labels = config.train.partition, labels_of(data)
        parts = make_partition(spec, labels, num_samples, num_workers, config.run.seed)
        return parts[self.world.worker]

    @property
    def injected_h(self) -> float | None:
        """H of the injected step times; None where none are injected for some worker."""
        times = np.array([c.step_time_s for c in self.profile.workers])
        return heterogeneity(1.0 / times) if (times > 0).all() else None

    def headline(self) -> str:
        """What is about to run, on one line."""
        h, config = self.injected_h, self.config
        hetero = "real speeds" if config.hetero.profile == "none" else config.hetero.profile
        hetero += "" if h is None else f" (H = {h:.3f})"
        workers = self.world.num_workers
        return (
            f"adsp_mpi: {config.sync.model} on {self.task.name or 'your task'}, "
            f"{workers} worker{'s' * (workers > 1)}, {self.model.num_elements:,} parameters, "
            f"{hetero}, {library_version()}, seed {config.run.seed}"
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
    ready = build(world, config, given_task, folder)
    world.agree(lambda: make_folder(folder) if world.is_server else None)
    return _calibrated(ready)


def build(world: World, config: Config, given_task: Task | None, folder: Path) -> Prepared:
    """Collective: task, model and profile, before `folder` is made and speeds are calibrated."""
    ready = world.agree(lambda: _build_here(world, config, given_task, folder))
    world.agree(lambda: _require_same_size(world, ready.model))
    return ready


def _build_here(world: World, config: Config, given_task: Task | None, folder: Path) -> Prepared:
    torch.set_num_threads(config.run.threads)
    seed = np.random.SeedSequence([config.run.seed, world.rank]).generate_state(1)[0]
    torch.manual_seed(int(seed))
    task = given_task or make_task(config.task.name, config.task.options)
    profile = _make_profile(world, config, config.hetero.step_time_s or 1.0)
    model = FlatModel(task.make_model(), find_device(config.run.device, world.node_rank))
    return Prepared(world, config, task, model, profile, folder)


def _make_profile(world: World, config: Config, step_time_s: float) -> Profile:
    spec = config.hetero.profile
    try:
        if _names_a_run(spec):
            return _replayed(spec, world.num_workers)
        return make_profile(spec, world.num_workers, step_time_s, config.run.seed)
    except ValueError as error:
        raise UsageError(f"hetero.profile: {error}") from error


def _names_a_run(spec: str) -> bool:
    is_preset = spec.partition(":")[0] in PRESETS
    return spec.endswith(".h5") or (not is_preset and (Path(spec) / schema.TRACE_NAME).is_file())


def _replayed(path: str, num_workers: int) -> Profile:
    """Workers repeat the steps that a run recorded, its workers again and again if it had fewer.

    ValueError where `path` is no trace, a damaged one or one without steps.
    """
    try:
        with Trace(path) as trace:
            tables = [trace.table(f"workers/{worker}/steps") for worker in trace.workers]
        durations = [table["compute_s"].astype(float) + table["sleep_s"] for table in tables]
    except (AdspError, OSError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if not durations:
        raise ValueError(f"{path}: no worker recorded its steps there")
    try:
        return Profile.from_durations([durations[i % len(durations)] for i in range(num_workers)])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _calibrated(ready: Prepared) -> Prepared:
    """Where no step time is given, the slowest natural one becomes that of the fastest worker."""
    world, config = ready.world, ready.config
    if not ready.profile.relative or config.hetero.step_time_s:
        return ready
    measured = world.agree(
        lambda: (
            0.0
            if world.is_server
            else calibrated_step_time_s(ready.trainer(), config.train.batch_size)
        )
    )
    step_time_s = HEADROOM * max(world.allgather(measured))
    return replace(ready, profile=_make_profile(world, config, step_time_s))


def calibrated_step_time_s(trainer: Trainer, batch_size: int, steps: int = 15) -> float:
    """Median seconds of a step of this worker on this machine, after a few to warm up."""
    durations = []
    for _ in range(steps):
        start = time.perf_counter()
        trainer.step(batch_size)
        durations.append(time.perf_counter() - start)
    return float(np.median(durations[steps // 3 :]))


def default_folder(config: Config) -> str:
    name = config.sync.model.rpartition(":")[2]
    return f"runs/{time.strftime('%Y%m%d-%H%M%S')}-{name}"


def make_folder(folder: Path) -> None:
    """The run's folder, empty of other runs; UsageError where it cannot be had."""
    if (folder / "trace.h5").exists() or any((folder / "parts").glob("*")):
        raise UsageError(f"{folder} holds a run already; choose another --out")
    try:
        (folder / "parts").mkdir(parents=True, exist_ok=True)
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
