"""The same runs on both engines, in wall time under MPI and in virtual time."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Iterable

import numpy as np
import pytest

from adsp_mpi.config import Config
from adsp_mpi.sim.run import simulate
from adsp_mpi.trace import Trace
from tests.contract.cases import PROFILE, WORKERS, Case, config_of
from tests.contract.recording import Recording
from tests.launch.launcher import PROGRAMS, launch

RESOLUTION_S = 5e-6
"""What a time in a trace may be off by where it is stored as start and float32 duration."""

ENGINES = ("mpi", pytest.param("sim", marks=pytest.mark.one_mpi_is_enough))


@dataclass(frozen=True)
class Run:
    """A finished run of the scheme `name`."""

    engine: str
    name: str
    folder: Path

    @cached_property
    def clock_s(self) -> float:
        """The largest difference between the clocks of two of its ranks, s.

        All ranks of a host read the same counter, so a worker's measured offset from rank 0 is
        its clock's error.
        """
        if self.engine != "mpi":
            return 0.0
        with Trace(self.folder) as trace:
            metas = [trace.worker_meta(worker) for worker in trace.workers]
        assert len({meta["host"] for meta in metas}) == 1
        return 2 * max(abs(meta["clock_offset_s"]) for meta in metas) + RESOLUTION_S

    @cached_property
    def recording(self) -> Recording:
        with Trace(self.folder) as trace:
            return Recording.of(trace)

    def table(self, path: str) -> np.ndarray:
        return self.recording.tables[path]

    def tables(self, name: str) -> list[np.ndarray]:
        """This table of every worker."""
        return [self.table(f"workers/{w}/{name}") for w in range(self.recording.num_workers)]


def run_on(engine: str, folder: Path, cases: Iterable[Case]) -> dict[str, Run]:
    """Run all cases, each into its own folder; returns the runs by name."""
    profile = folder / "p.toml"
    profile.write_text(PROFILE)
    configs = [config_of(case, profile, folder / case.name) for case in cases]
    if engine == "mpi":
        _train(folder, configs)
    else:
        _simulate(configs)
    return {c.sync.model: Run(engine, c.sync.model, Path(c.run.out)) for c in configs}


def _train(folder: Path, configs: list[Config]) -> None:
    """Train all configurations under one mpirun."""
    files = [folder / f"{config.sync.model}.toml" for config in configs]
    for file, config in zip(files, configs, strict=True):
        file.write_text(config.to_toml())
    done = launch(
        WORKERS + 1, "-m", "tests.mpi.many_runs", *map(str, files),
        cwd=PROGRAMS.parents[1], limit_s=60 + 15 * len(files),
    )  # fmt: skip
    assert done.code == 0 and done.error_lines == [], done.err


def _simulate(configs: list[Config]) -> None:
    for config in configs:
        folder = Path(config.run.out)
        folder.mkdir()
        simulate(config, folder)
