"""Real runs for the benchmark, on the first ranks while the others sleep."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import adsp_mpi.trace
from adsp_mpi.bench.part import Bench
from adsp_mpi.config import Config
from adsp_mpi.layers import layer_of, preset_layer
from adsp_mpi.learn.task import Task
from adsp_mpi.mpi import run as mpi_run
from adsp_mpi.trace.reader import Trace

QUIET = {"run": {"screen": "quiet"}, "checkpoint": {"period_s": 0.0}}


def configured(*changes: dict[str, Any], preset: str = "quickstart") -> Config:
    """The quickstart preset, quiet and without checkpoints, with `changes` over it."""
    layers = [layer_of(change, "bench") for change in (QUIET, *changes)]
    return Config().with_layers(preset_layer(preset), *layers)


def run(bench: Bench, ranks: int, config: Config, task: Task | None = None) -> Path:
    """Collective: a run on the first `ranks` ranks in a new folder; returns the folder."""
    world = bench.world
    folder = bench.folder / f"run-{len(list(bench.folder.iterdir()))}"
    folder = Path(world.comm.bcast(str(folder)))
    if world.rank < ranks:
        comm = world.comm.Create_group(world.comm.group.Incl(range(ranks)))
        config = replace(config, run=replace(config.run, out=str(folder)))
        mpi_run.run(config, task, comm)
        comm.Free()
    world.wait_for_all()
    return folder


def trace_of(folder: Path) -> Trace:
    return adsp_mpi.trace.open(folder)
