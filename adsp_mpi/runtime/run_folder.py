"""What either engine makes of a configuration before a run: profile, shares of the data, words."""

import json
import os
import platform
import time
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adsp_mpi.config import Config
from adsp_mpi.core.hetero.presets import PRESETS, Profile, make_profile
from adsp_mpi.core.theory import heterogeneity
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.partition import label_histogram, make_partition
from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from adsp_mpi.runtime.resume import AUTO
from adsp_mpi.trace import Trace, schema

if TYPE_CHECKING:
    from adsp_mpi.learn.flat import FlatModel
    from adsp_mpi.learn.task import Task
    from adsp_mpi.learn.trainer import Trainer

MAX_LABELS = 1000
SERVER_LOST = "server-lost"
"""The worker that makes this file in the run's folder is the one to say that rank 0 is gone."""

PACKAGES = ("adsp-mpi", "numpy", "torch", "h5py")


@dataclass(frozen=True)
class DataShares:
    """A task's training data, dealt out to the workers."""

    task: "Task"
    config: Config
    num_workers: int

    def trainer(self, worker: int, model: "FlatModel") -> "Trainer":
        """The trainer of `worker` at its first step."""
        from adsp_mpi.learn.trainer import BatchOrder, LearningRate, Trainer

        train = self.config.train
        order = BatchOrder(
            self._parts[worker], np.random.default_rng([self.config.run.seed, worker])
        )
        rate = LearningRate(train.local_lr, train.lr_decay, train.lr_decay_steps)
        return Trainer(self.task, model, order, rate)

    def attributes(self, worker: int) -> dict[str, Any]:
        """A worker's number of training samples, and how many of each label, as JSON.

        "" where the data have no labels, or more of them than an attribute may hold.
        """
        part, labels = self._parts[worker], self._labels
        histogram = {} if labels is None else label_histogram(labels, part)
        told = 0 < len(histogram) <= MAX_LABELS
        return {"samples": len(part), "labels": json.dumps(histogram) if told else ""}

    @cached_property
    def _labels(self) -> np.ndarray | None:
        from adsp_mpi.learn.task import labels_of

        return labels_of(self.task.train_data)

    @cached_property
    def _parts(self) -> list[np.ndarray]:
        """The training samples of each worker."""
        from adsp_mpi.learn.task import data_length

        num_samples = data_length(self.task.train_data)
        spec, seed = self.config.train.partition, self.config.run.seed
        return make_partition(spec, self._labels, num_samples, self.num_workers, seed)


def torch_seed(config: Config, rank: int) -> int:
    """Seeds torch's generator where the model of `rank` is made."""
    return int(np.random.SeedSequence([config.run.seed, rank]).generate_state(1)[0])


def profile_of(config: Config, num_workers: int, step_time_s: float) -> Profile:
    """The profile that `[hetero]` describes; UsageError where it is wrong.

    `step_time_s` is that of the fastest worker. A folder or an .h5 file is a run to replay.
    """
    spec = config.hetero.profile
    try:
        if _names_a_run(spec):
            profile = _replayed(spec, num_workers)
        else:
            profile = make_profile(spec, num_workers, step_time_s, config.run.seed)
    except ValueError as error:
        raise UsageError(f"hetero.profile: {error}") from error
    return profile.with_delay(config.hetero.delay_s)


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


def injected_h(profile: Profile) -> float | None:
    """H of the injected step times; None where none are injected for some worker."""
    times = np.array([c.step_time_s for c in profile.workers])
    return heterogeneity(1.0 / times) if (times > 0).all() else None


def headline(
    config: Config, profile: Profile, task_name: str, num_elements: int, engine: str
) -> str:
    """What is about to run, on one line; `engine` says where."""
    workers, h = len(profile.workers), injected_h(profile)
    hetero = "real speeds" if h is None else f"{config.hetero.profile} (H = {h:.3f})"
    if h is None and config.hetero.profile != "none":
        hetero = config.hetero.profile
    return (
        f"adsp_mpi: {config.sync.model} on {task_name or 'your task'}, "
        f"{workers} worker{'s' * (workers > 1)}, {num_elements:,} parameters, "
        f"{hetero}, {engine}, seed {config.run.seed}"
    )


def run_attributes(
    config: Config,
    engine: str,
    num_workers: int,
    task_name: str,
    num_elements: int,
    versions: dict[str, str],
) -> dict[str, Any]:
    """The trace's attributes that say what was run; `engine` on, with what `versions`."""
    versions = {name: version(name) for name in PACKAGES} | versions
    versions["python"] = platform.python_version()
    return {
        "engine": engine,
        "config": config.to_toml(),
        "seed": config.run.seed,
        "model": config.sync.model,
        "task": task_name,
        "num_workers": num_workers,
        "parameters": num_elements,
        "versions": json.dumps(versions),
        "host": platform.node(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def default_folder(config: Config) -> str:
    name = config.sync.model.rpartition(":")[2]
    return f"runs/{time.strftime('%Y%m%d-%H%M%S')}-{name}"


def how_to_resume(folder: Path) -> str:
    """What to tell of a run that was stopped."""
    if not whole_checkpoints(folder):
        ended = (folder / schema.TRACE_NAME).exists()
        merge = f"python -m adsp_mpi.analysis merge {folder}"
        return f"trace and model are in {folder}" if ended else f"what it recorded: {merge}"
    return f"go on with --resume {folder}"


def make_folder(folder: Path, resume: str) -> None:
    """The run's folder, empty of other runs but one to `resume`; else UsageError.

    With "auto" a run that was killed before its first checkpoint begins anew; its parts stay
    beside the new ones.
    """
    resumes = resume and whole_checkpoints(folder)
    parts = folder / schema.PARTS_NAME
    ended = (folder / schema.TRACE_NAME).exists()
    if resume == AUTO and not resumes and not ended and parts.exists():
        parts.rename(parts.with_name(f"{parts.name}-{time.strftime('%Y%m%d-%H%M%S')}"))
    elif not resumes and (ended or any(parts.glob("*")) or whole_checkpoints(folder)):
        raise UsageError(f"{folder} holds a run already; --resume it, or choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {os.strerror(error.errno or 0)}") from error
    (folder / SERVER_LOST).unlink(missing_ok=True)
    if resumes and parts.exists():
        (folder / schema.TRACE_NAME).unlink(missing_ok=True)
