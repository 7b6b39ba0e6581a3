"""Part `trace`: the cost of recording a step, flushes included."""

from time import perf_counter

import numpy as np

from adsp_mpi.bench.findings import Bar, Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.mpi.worker.trace import WorkerTrace

ROWS = 100_000
TURNS = 5
STEP_S = 1e-3
SHARE = 0.5


def measure(bench: Bench) -> Findings:
    """Rank 1 records steps as its loop does; the others sleep."""
    world = bench.world
    costs_s = [row_s(bench) for _ in range(TURNS)] if world.worker == 0 else [0.0]
    cost_s = float(np.median(world.allgather(costs_s)[1]))
    share = 100 * cost_s / STEP_S
    lines = [f"recording a step {1e6 * cost_s:.2f} us, {share:.3f}% of a step of 1 ms"]
    bars = [Bar("recording a step, of 1 ms", share, SHARE, unit="%")]
    return Findings(lines, [{"row_us": 1e6 * cost_s}], bars)


def row_s(bench: Bench) -> float:
    """Mean seconds per row, over many rows."""
    trace = WorkerTrace(bench.folder / "recording", bench.world, 2.0, 0)
    begun = perf_counter()
    for row in range(ROWS):
        trace.tables.steps(1e-3 * row, 1e-3, 0.0, 0.5, 32, 1, 0.0)
        trace.part.flush_if_due()
    trace.part.close()
    return (perf_counter() - begun) / ROWS
