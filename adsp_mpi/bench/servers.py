"""Part `servers`: the same workers commit to a model on one, two and three servers."""

from typing import Any

from adsp_mpi.bench.findings import Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.bench.systems.own import Own
from adsp_mpi.bench.timing import Loop, closed_loop, metrics
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.tables import Table

SERVERS = (1, 2, 3)
PARAMS = (1_760_000, 25_000_000)
COLUMNS = {
    "params": ",d",
    "servers": "d",
    "median_ms": ".3f",
    "p99_ms": ".3f",
    "commits_s": ",.1f",
    "spread": ".2f",
    "over_one": ".2f",
}


def measure(bench: Bench) -> Findings:
    """Collective: measure the numbers of servers alternately.

    The workers are always the ranks that are workers with the most servers.
    """
    size = bench.world.comm.size
    workers = size - max(SERVERS)
    if workers < 1:
        return Findings([f"left out: {max(SERVERS)} servers need more than {size} ranks"])
    rows = [row for params in PARAMS for row in compare(bench, params, workers)]
    lines = [f"{workers} workers, the model on one server or several, measured alternately", ""]
    return Findings(lines + Table.formatted(rows, COLUMNS).lines(), rows)


def compare(bench: Bench, params: int, workers: int) -> list[dict[str, Any]]:
    """Collective: returns one row for each number of servers."""
    bench.tell(f"commits of {params:,d} parameters to {SERVERS} servers")
    worlds = [World(bench.world.comm, count) for count in SERVERS]
    systems = [Own(world, params) for world in worlds]
    rounds: list[list[Loop]] = [[] for _ in systems]
    for _ in range(bench.repeats):
        for loops, system in zip(rounds, systems, strict=True):
            loops.append(closed_loop(system, range(workers), bench.seconds))
    for loops, system in zip(rounds, systems, strict=True):
        system.check_and_close(sum(len(loop.durations) for loop in loops))
    rows = [
        {"params": params, "servers": count, **metrics(loops)}
        for count, loops in zip(SERVERS, rounds, strict=True)
    ]
    return [{**row, "over_one": row["commits_s"] / rows[0]["commits_s"]} for row in rows]
