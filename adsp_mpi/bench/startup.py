"""Part `startup`: from mpirun to the last worker's first step, over importing torch and mpi4py."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from adsp_mpi.bench.findings import Bar, Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.bench.runs import trace_of
from adsp_mpi.errors import AdspError
from adsp_mpi.mpi.transport.mpi_library import library_version

IMPORTS = ("-c", "import torch; from mpi4py import MPI")
LIMIT_S = 120.0
RATIO = 1.3
OF_THE_LAUNCHER = (
    *("PMI", "HYDI", "MPI_LOCAL", "PRTE_LAUNCHED"),
    *("OMPI_COMM", "OMPI_FILE", "OMPI_FIRST", "OMPI_APP", "OMPI_NUM", "OMPI_ARGV"),
    *("OMPI_COMMAND", "OMPI_UNIVERSE"),
)
"""Prefixes of a launcher's environment variables, which a job started by a rank must not see."""


def measure(bench: Bench) -> Findings:
    """Collective: rank 0 starts jobs of this job's size, and all others sleep."""
    world = bench.world
    pairs = world.agree(lambda: _pairs(bench) if world.is_server else [])
    if not world.is_server:
        return Findings()
    ratio = float(np.median([first / imports for first, imports in pairs]))
    first_s, imports_s = (float(np.median(side)) for side in zip(*pairs, strict=True))
    lines = [
        f"first step of the last of {world.comm.size} ranks after {first_s:.2f} s, "
        f"importing torch and mpi4py {imports_s:.2f} s, ratio {ratio:.2f}"
    ]
    row = {"first_step_s": first_s, "imports_s": imports_s, "pairs": pairs}
    return Findings(lines, [row], [Bar("first step over importing torch, MPI", ratio, RATIO)])


def _pairs(bench: Bench) -> list[tuple[float, float]]:
    pairs = []
    for turn in range(bench.repeats + 1):
        bench.tell(f"starts, turn {turn + 1} of {bench.repeats + 1}")
        pairs.append((_first_step_s(bench, turn), _imports_s(bench)))
    return pairs[1:]


def _first_step_s(bench: Bench, turn: int) -> float:
    folder = bench.folder / f"start-{turn}"
    started = time.time()
    _launch(bench, "-m", "adsp_mpi", "--screen", "quiet", "--max-steps", "1", "--out", str(folder))
    with trace_of(folder) as trace:
        steps = [trace.table(f"workers/{worker}/steps")[0] for worker in trace.workers]
        last_s = max(float(step["start_s"] + step["compute_s"]) for step in steps)
        return float(trace.meta["start_unix_s"]) + last_s - started


def _imports_s(bench: Bench) -> float:
    started = time.time()
    _launch(bench, *IMPORTS)
    return time.time() - started


def _launch(bench: Bench, *python: str) -> None:
    beside = Path(sys.executable).with_name("mpirun")
    mpirun = str(beside) if beside.exists() else shutil.which("mpirun")
    if not mpirun:
        raise AdspError("bench startup: no mpirun is found to start with")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(OF_THE_LAUNCHER)}
    # Open MPI does not tell its ranks that it was allowed to start more of them than cores
    more = ["--map-by", ":OVERSUBSCRIBE"] if "Open MPI" in library_version() else []
    command = [mpirun, *more, "-n", str(bench.world.comm.size), sys.executable, *python]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    if done.returncode:
        raise AdspError(f"bench startup: {' '.join(command[:4])} failed: {done.stderr[-300:]}")
