"""Which size of operations suits this MPI: commits of all workers at once, at several sizes."""

from adsp_mpi.bench.findings import Findings, table
from adsp_mpi.bench.part import ROUNDS, Bench
from adsp_mpi.bench.systems.own import Own
from adsp_mpi.bench.timing import Loop, closed_loop, figures
from adsp_mpi.mpi.chunks import store_chunk

SIZES = (16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024)
PARAMS = 1_760_000
NEARLY_BEST = 0.9
COLUMNS = {"chunk": ",d", "median_ms": ".3f", "p95_ms": ".3f", "p99_ms": ".3f", "commits_s": ",.1f"}


def measure(bench: Bench) -> Findings:
    """Collective: the size with the smallest p95 of those nearly as fast as the fastest, stored."""
    world = bench.world
    systems = [Own(world, PARAMS, size) for size in SIZES]
    rounds: list[list[Loop]] = [[] for _ in SIZES]
    for _ in range(ROUNDS):
        for system, loops in zip(systems, rounds, strict=True):
            loops.append(closed_loop(system, range(world.num_workers), bench.seconds))
    for system in systems:
        system.close()
    rows = [{"chunk": s, **figures(loops)} for s, loops in zip(SIZES, rounds, strict=True)]
    fast = NEARLY_BEST * max(row["commits_s"] for row in rows)
    best = min((row for row in rows if row["commits_s"] >= fast), key=lambda row: row["p95_ms"])
    path = store_chunk(world, best["chunk"]) if world.is_server else ""
    lines = [f"elements an operation, {world.num_workers} workers, {PARAMS:,d} parameters", ""]
    lines += [*table(rows, COLUMNS), "", f"runs with this MPI take {best['chunk']:,d} now ({path})"]
    return Findings(lines, rows)
