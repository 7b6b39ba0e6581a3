"""Part `chunks`: finds the chunk size for this MPI by commits of all workers at several sizes."""

from typing import Any

from adsp_mpi.bench.findings import Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.bench.systems.own import Own
from adsp_mpi.bench.timing import Loop, closed_loop, metrics
from adsp_mpi.mpi.transport.chunk_size import store_chunk
from adsp_mpi.mpi.transport.remote_array import CHUNK_ELEMENTS
from adsp_mpi.tables import Table

SIZES = (16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024)
PARAMS = 1_760_000
NEARLY_BEST, NEARLY_AS_SOON = 0.9, 1.2
COLUMNS = {"chunk": ",d", "median_ms": ".3f", "p95_ms": ".3f", "p99_ms": ".3f", "commits_s": ",.1f"}


def measure(bench: Bench) -> Findings:
    """Collective: find and store the best size; the default size unless it is clearly worse."""
    world = bench.world
    systems = [Own(world, PARAMS, size) for size in SIZES]
    rounds: list[list[Loop]] = [[] for _ in SIZES]
    for _ in range(bench.repeats):
        for system, loops in zip(systems, rounds, strict=True):
            loops.append(closed_loop(system, range(world.num_workers), bench.seconds))
    for system in systems:
        system.close()
    rows = [{"chunk": s, **metrics(loops)} for s, loops in zip(SIZES, rounds, strict=True)]
    best = best_of(rows)
    path = store_chunk(world, best["chunk"]) if world.is_server else ""
    lines = [f"elements an operation, {world.num_workers} workers, {PARAMS:,d} parameters", ""]
    lines += Table.formatted(rows, COLUMNS).lines()
    lines += ["", f"runs with this MPI take {best['chunk']:,d} now ({path})"]
    return Findings(lines, rows)


def best_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The size with the smallest p95 among the nearly fastest, or the default size.

    The default wins where it is among the nearly fastest and its p95 is not much larger.
    """
    fast = NEARLY_BEST * max(row["commits_s"] for row in rows)
    fast_enough = [row for row in rows if row["commits_s"] >= fast]
    best = min(fast_enough, key=lambda row: row["p95_ms"])
    for row in fast_enough:
        if row["chunk"] == CHUNK_ELEMENTS and row["p95_ms"] <= NEARLY_AS_SOON * best["p95_ms"]:
            return row
    return best
