"""Part `memory`: a worker's peak memory over that of the bare PyTorch loop of the same model."""

import gc
import math
from pathlib import Path

import torch
from torch import nn

from adsp_mpi.bench.bare import BareLoop
from adsp_mpi.bench.findings import Bar, Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.bench.runs import configured, run
from adsp_mpi.learn.task import Task
from adsp_mpi.tables import Table

STEPS = 20
MODELS, FIXED_MB = 5.0, 40.0
COLUMNS = {"params": ",d", "model_mb": ".1f", "worker_mb": ".1f", "bare_mb": ".1f", "models": ".2f"}


def measure(bench: Bench) -> Findings:
    """Collective: measure one worker at each model size."""
    found = Findings()
    compare(bench, min(bench.params))  # libraries loaded on first use must count for neither
    for num_elements in bench.params:
        bench.tell(f"memory at {num_elements:,d} parameters")
        row = compare(bench, num_elements)
        found.rows.append(row)
        limit = MODELS * row["model_mb"] + FIXED_MB
        what = f"peak of a worker over the bare loop, {num_elements:,d} parameters"
        found.bars.append(Bar(what, row["worker_mb"] - row["bare_mb"], limit, unit="MB"))
    found.lines += Table.formatted(found.rows, COLUMNS).lines()
    return found


def compare(bench: Bench, num_elements: int) -> dict[str, float]:
    """Peak memory over what the process held before; a worker's includes the shared window."""
    world, task = bench.world, wide_task(num_elements)
    config = configured(
        {"hetero": {"profile": "none", "step_time_s": 0.0}},
        {"stop": {"target_loss": 0.0, "max_seconds": 0.0, "max_steps": STEPS}},
        {"sync": {"min_commit_interval_s": 0.0, "check_period_s": 0.2, "epoch_s": 10.0}},
    )
    bare_mb = worker_mb = 0.0
    if world.worker == 0:
        before_mb = reset_peak()
        loop = BareLoop(task, 32, 1e-3)
        loop.step_s(STEPS)
        bare_mb = peak_mb() - before_mb
        del loop
    before_mb = reset_peak()
    run(bench, 2, config, task)
    worker_mb = peak_mb() - before_mb
    bare_mb, worker_mb = world.allgather((bare_mb, worker_mb))[1]
    model_mb = 4 * num_elements / 1e6
    return {
        "params": num_elements,
        "model_mb": model_mb,
        "worker_mb": worker_mb,
        "bare_mb": bare_mb,
        "models": (worker_mb - bare_mb) / model_mb,
    }


def wide_task(num_elements: int) -> Task:
    """A linear model of about `num_elements` parameters on random data."""
    width = math.isqrt(num_elements)
    inputs = torch.randn(64, width, generator=torch.Generator().manual_seed(0))
    data = (inputs, torch.arange(64) % width)
    return Task(lambda: nn.Linear(width, width), data, data, name="wide")


def reset_peak() -> float:
    """Reset the peak (Linux); returns what the process holds now, MB."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS")


def peak_mb() -> float:
    """The most memory that the process held since `reset_peak`, MB."""
    return _status_mb("VmHWM")


def _status_mb(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status has no {name}")
