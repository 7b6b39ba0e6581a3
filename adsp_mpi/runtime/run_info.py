"""Descriptions of a run: the first lines on the screen and the trace's attributes."""

import json
import platform
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from adsp_mpi.config import Config
from adsp_mpi.core.hetero.profile import Profile
from adsp_mpi.learn.tasks import OWN_LOOP
from adsp_mpi.refusals import ONLY_OF_TASKS
from adsp_mpi.runtime.profiles import injected_h

PACKAGES = ("adsp-mpi", "numpy", "torch", "h5py")


def headline(
    config: Config, profile: Profile, task_name: str, num_elements: int, engine: str
) -> str:
    """Describe on one line what is about to run; `engine` is the MPI library or virtual time."""
    workers, h = len(profile.workers), injected_h(profile)
    hetero = "real speeds" if h is None else f"{config.hetero.profile} (H = {h:.3f})"
    if h is None and config.hetero.profile != "none":
        hetero = config.hetero.profile
    return (
        f"adsp_mpi: {config.sync.model} on {task_name or 'your task'}, "
        f"{workers} worker{'s' * (workers > 1)}, {num_elements:,} parameters, "
        f"{hetero}, {engine}, seed {config.run.seed}"
    )


def resumed_line(checkpoint: Path, begin_s: float, ended: str) -> str:
    """Say from where a run goes on; `ended` is why it was over there, empty before its end."""
    text = f"resumed from {checkpoint} at {begin_s:.1f} s"
    return f"{text}, where the run had ended: {ended}" if ended else text


def settings_text(config: Config) -> str:
    """The settings as TOML; of a user's own loop only those that it makes use of."""
    if config.task.name != OWN_LOOP:
        return config.to_toml()
    return config.to_toml(without=set(ONLY_OF_TASKS) - {("task", "name")})


def run_attributes(
    config: Config,
    engine: str,
    num_workers: int,
    task_name: str,
    num_elements: int,
    versions: dict[str, str],
) -> dict[str, Any]:
    """Attributes of the trace's root: settings, task, size, versions, host and start time."""
    versions = _installed() | versions
    versions["python"] = platform.python_version()
    return {
        "engine": engine,
        "config": settings_text(config),
        "seed": config.run.seed,
        "model": config.sync.model,
        "task": task_name,
        "num_workers": num_workers,
        "parameters": num_elements,
        "versions": json.dumps(versions),
        "host": platform.node(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


@cache
def _installed() -> dict[str, str]:
    """The versions of the packages that a run depends on, read once a process."""
    return {name: version(name) for name in PACKAGES}
