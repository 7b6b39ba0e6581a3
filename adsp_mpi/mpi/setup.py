"""Prepares a run on every rank: workload, heterogeneity profile and run folder."""

import time
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Callable, Sequence

import numpy as np
import torch

from adsp_mpi.config import Config
from adsp_mpi.core.hetero.profile import Profile
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.device_names import device_of, parse_devices
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.learn.workload import Workload
from adsp_mpi.mpi.ranks.share_out import share_out
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.mpi_library import library_version
from adsp_mpi.runtime.data_shares import torch_seed
from adsp_mpi.runtime.profiles import profile_of
from adsp_mpi.runtime.resume import find_checkpoint
from adsp_mpi.runtime.run_folder import make_folder
from adsp_mpi.runtime.run_info import headline, resumed_line, run_attributes
from adsp_mpi.runtime.same_everywhere import digest, first_difference, settings_lines
from adsp_mpi.runtime.task_workload import TaskWorkload
from adsp_mpi.runtime.threads import fair_threads, own_cores
from adsp_mpi.screen import say

MakeWorkload = Callable[[Config, int, int], Workload]
"""Makes a rank's workload, given the settings, the number of shares and its number on its host."""

HEADROOM = 1.2
"""Measured step times are multiplied by this, so that every worker can hold its injected speed."""


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to start on this rank."""

    world: World
    config: Config
    workload: Workload
    profile: Profile
    folder: Path
    resumes: "Resumes | None" = None
    lock: IO[str] | None = None
    """On rank 0 the lock on `folder`; close it at the end of the run."""

    @property
    def num_shares(self) -> int:
        """The number of shares of the training data: one for each worker but the spares."""
        return self.world.num_workers - self.config.run.spares

    @property
    def begin_s(self) -> float:
        """The second of the run's clock at which this process starts."""
        return self.resumes.begin_s if self.resumes else 0.0

    @property
    def same_workers(self) -> bool:
        """Whether this is a new run, or one resumed with the same number of workers."""
        return not self.resumes or self.resumes.num_workers == self.world.num_workers

    @property
    def model(self) -> FlatModel:
        """The model as one vector."""
        return self.workload.model

    @property
    def first_share(self) -> int:
        """The share of the data for this worker; a spare measures on another worker's."""
        return self.world.worker % self.num_shares

    def trainer(self) -> Trainer:
        """A trainer of the task on `first_share`, before its first step."""
        assert isinstance(self.workload, TaskWorkload)
        return self.workload.training(self.first_share)

    def part_attributes(self) -> dict[str, Any]:
        """The size and the labels of this worker's share, for its part of the trace."""
        return self.workload.attributes(self.first_share)

    def headlines(self) -> list[str]:
        """Lines for the screen: what is about to run, what it resumes, notes on the workload."""
        elements, library = self.model.num_elements, library_version()
        lines = [headline(self.config, self.profile, self.workload.name, elements, library)]
        if self.resumes:
            lines.append(self.resumes.text(self.world.num_workers))
        return [*lines, *self.workload.notes]

    def attributes(self) -> dict[str, Any]:
        """Attributes of the trace's root."""
        versions = {"mpi4py": version("mpi4py"), "mpi": library_version()}
        workers, elements = self.world.num_workers, self.model.num_elements
        return run_attributes(self.config, "mpi", workers, self.workload.name, elements, versions)


@dataclass(frozen=True)
class Resumes:
    """The checkpoint that a run resumes, as every rank knows it."""

    path: Path
    begin_s: float
    """The run's clock when it was written."""

    num_workers: int
    step_time_s: float
    """The fastest worker's step time, measured when the run began; 0: none was injected."""

    ended: str = ""
    """Why the run was over, for a checkpoint written at its end."""

    state: dict[str, Any] = field(default_factory=dict)
    """The contents of rank 0's file; empty on other ranks."""

    def text(self, num_workers: int) -> str:
        """The line that says from where the run goes on."""
        text = resumed_line(self.path, self.begin_s, self.ended)
        if num_workers == self.num_workers:
            return text
        return (
            f"{text}, with {num_workers} workers instead of {self.num_workers}: counts and the "
            "scheduler begin anew, and what was not committed is dropped"
        )


def prepare(world: World, config: Config, make: MakeWorkload) -> Prepared:
    """Collective: prepare the run on every rank; an error anywhere is raised everywhere.

    Raises UsageError where the ranks' settings, models or data differ.
    """
    advice = "start every rank with the same"
    world.agree(lambda: _require_same(world, "settings", settings_lines(config), advice))
    world.agree(lambda: world.require_workers(config.run.spares))
    resumes = _find_checkpoint(world, config)
    ready = build(world, config, make, Path())
    made = world.agree(lambda: make_folder(config) if world.is_server else None)
    folder, lock = made or (Path(), None)
    ready = replace(ready, resumes=resumes, folder=world.comm.bcast(folder), lock=lock)
    if world.is_server:
        say(config.run.screen, *ready.headlines())
    return _calibrated(ready)


def _find_checkpoint(world: World, config: Config) -> Resumes | None:
    """Collective: rank 0 reads the checkpoint and broadcasts all but its contents."""
    mine = world.agree(lambda: _read_checkpoint(config) if world.is_server else None)
    told = world.comm.bcast(replace(mine, state={}) if mine else None)
    return mine or told


def _read_checkpoint(config: Config) -> Resumes | None:
    found = find_checkpoint(config)
    if not found:
        return None
    state = found.state
    if "num_workers" not in state:
        raise UsageError(f"{found.path} is of a simulation: go on with simulate --resume")
    begin_s = state["server"]["now"]
    return Resumes(
        found.path, begin_s, state["num_workers"], state["step_time_s"], state["ended"], state
    )


def build(world: World, config: Config, make: MakeWorkload, folder: Path) -> Prepared:
    """Collective: make workload and profile; `folder` is not created, nothing is measured."""
    cores = world.allgather(own_cores(world.host))
    torch.set_num_threads(fair_threads(config.run.threads, world.rank, cores))
    ready = world.agree(lambda: _build_here(world, config, make, folder))
    advice = "every rank must build the same model"
    world.agree(lambda: _require_same(world, "models", ready.model.layout, advice))
    advice = 'load the same on every rank, or set train.partition = "own"'
    world.agree(lambda: _require_same(world, "data", ready.workload.shared, advice))
    share_out(world, ready.model.at_home.values())
    return ready


def _build_here(world: World, config: Config, make: MakeWorkload, folder: Path) -> Prepared:
    torch.manual_seed(torch_seed(config, world.worker + 1))
    profile = profile_of(config, world.num_workers, config.hetero.step_time_s or 1.0)
    if profile.faults:
        raise UsageError(
            f"hetero.profile: {config.hetero.profile}: dies_at_s and stalls_for_s are for simulate "
            "only; here kill or stop the processes"
        )
    shares = world.num_workers - config.run.spares
    workload = make(_with_own_device(config, world), shares, world.node_rank)
    return Prepared(world, config, workload, profile, folder)


def _with_own_device(config: Config, world: World) -> Config:
    """The settings with the device of this rank alone; UsageError if there is none for it."""
    names = parse_devices(config.run.device)
    try:
        device = device_of(names, world.worker, world.num_workers)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return replace(config, run=replace(config.run, device=device))


def _calibrated(ready: Prepared) -> Prepared:
    """Collective: if a step time is needed and none is given, measure one.

    The step time of the slowest rank, unslowed, becomes the one injected on the fastest worker.
    The steps of a user's own loop cannot be taken beforehand: each is stretched when it is taken.
    """
    world, config = ready.world, ready.config
    if not ready.profile.relative or config.hetero.step_time_s:
        return ready
    if not isinstance(ready.workload, TaskWorkload):
        return replace(ready, profile=ready.profile.stretching())
    if ready.resumes and ready.resumes.step_time_s:
        step_time_s = ready.resumes.step_time_s
        return replace(ready, profile=profile_of(config, world.num_workers, step_time_s))
    if world.is_server:
        say(config.run.screen, "adsp_mpi: measuring how long the workers' steps take")
    measured = world.agree(
        lambda: (
            0.0
            if world.is_server
            else calibrated_step_time_s(ready.trainer(), config.train.batch_size)
        )
    )
    step_time_s = HEADROOM * max(world.allgather(measured))
    return replace(ready, profile=profile_of(config, world.num_workers, step_time_s))


def calibrated_step_time_s(trainer: Trainer, batch_size: int, steps: int = 15) -> float:
    """The median time of a step on this machine, s, after a third of the steps to warm up."""
    durations = []
    for _ in range(steps):
        start = time.perf_counter()
        trainer.step(batch_size)
        durations.append(time.perf_counter() - start)
    return float(np.median(durations[steps // 3 :]))


def _require_same(world: World, what: str, lines: Sequence[str], advice: str) -> None:
    """Collective: raise UsageError on every rank unless all have the same `lines`."""
    if len(set(world.allgather(digest(lines)))) == 1:
        return
    found = first_difference(world.allgather(lines), world.hosts)
    assert found
    raise UsageError(f"the ranks' {what} differ: {', '.join(found)}; {advice}")
