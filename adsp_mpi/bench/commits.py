"""Part `commit`: the time of a commit, alone and under contention, beside other systems."""

from time import perf_counter
from typing import Any

import numpy as np

from adsp_mpi.bench.findings import Bar, Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.bench.systems import OWN, system_class
from adsp_mpi.bench.systems.own import Own
from adsp_mpi.bench.systems.raw import Raw
from adsp_mpi.bench.timing import Loop, closed_loop, commit_s, metrics
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.tables import Table

WORKERS = (1, 2, 4, 7)
COLUMNS = {
    "params": ",d",
    "workers": "d",
    "system": "",
    "median_ms": ".3f",
    "p95_ms": ".3f",
    "p99_ms": ".3f",
    "commits_s": ",.1f",
    "spread": ".2f",
    "adsp_x": ".2f",
}
ALONE_COLUMNS = {"params": ",d", "adsp_ms": ".3f", "raw+3_ms": ".3f", "x": ".2f"}
AT_LEAST = {"raw": 0.85, "p2p": 2.0, "rpc": 6.0}
P99_OVER_MEDIAN = 6.0
ALONE_OVER_RAW = 1.3
ALONE_PAIRS = 40


def measure(bench: Bench) -> Findings:
    """Collective: times are medians over all commits, commits_s the median of the rounds."""
    found = Findings()
    alone = [compare_alone(bench.world, n) for n in bench.params]
    for names in in_stages([OWN, *bench.against]):
        for num_elements in bench.params:
            bench.tell(f"commits of {num_elements:,d} parameters: {', '.join(names)}")
            found.rows += compare(bench, num_elements, names)
    own = {(r["params"], r["workers"]): r["commits_s"] for r in found.rows if r["system"] == OWN}
    for row in found.rows:
        row["adsp_x"] = own[row["params"], row["workers"]] / row["commits_s"]
    found.rows.sort(key=lambda row: (row["params"], row["workers"]))
    found.bars += bars_of(found.rows, bench.world.num_workers)
    found.lines += Table.formatted(found.rows, COLUMNS).lines()
    found.lines += ["", "one worker alone, alternating with raw + three numpy additions", ""]
    found.lines += Table.formatted(alone, ALONE_COLUMNS).lines()
    found.rows += alone
    for row in alone:
        what = f"commit, 1 worker, {row['params']:,d} parameters, over raw + 3 additions"
        found.bars.append(Bar(what, row["x"], ALONE_OVER_RAW))
    return found


def in_stages(names: list[str]) -> list[list[str]]:
    """First the systems that can alternate, then those whose idle threads would disturb others."""
    calm = [name for name in names if not system_class(name).spins]
    return [stage for stage in (calm, [name for name in names if name not in calm]) if stage]


def compare(bench: Bench, num_elements: int, names: list[str]) -> list[dict[str, Any]]:
    """Collective: measure these systems alternately, at each number of workers."""
    world = bench.world
    systems = [system_class(name)(world, num_elements) for name in names]
    commits = [0] * len(systems)
    rows = []
    for workers in [w for w in WORKERS if w <= world.num_workers]:
        rounds: list[list[Loop]] = [[] for _ in systems]
        for turn in range(bench.repeats + 1):
            for i, system in enumerate(systems):
                loop = closed_loop(system, range(workers), bench.seconds if turn else 0.0)
                commits[i] += len(loop.durations)
                if turn:
                    rounds[i].append(loop)
        rows += [
            {"params": num_elements, "workers": workers, "system": name, **metrics(loops)}
            for name, loops in zip(names, rounds, strict=True)
        ]
    for system, count in zip(systems, commits, strict=True):
        system.check_and_close(count)
    return rows


def bars_of(rows: list[dict[str, Any]], num_workers: int) -> list[Bar]:
    """The bars for the largest number of workers that was measured."""
    bars = []
    for row in rows:
        if row["workers"] != min(num_workers, max(WORKERS)) or row["workers"] == 1:
            continue
        where = f"{row['workers']} workers, {row['params']:,d} parameters"
        if row["system"] in AT_LEAST:
            what = f"commits per second over {row['system']}, {where}"
            bars.append(Bar(what, row["adsp_x"], AT_LEAST[row["system"]], at_least=True))
        elif row["system"] == OWN:
            what = f"p99 of a commit over its median, {where}"
            bars.append(Bar(what, row["p99_ms"] / row["median_ms"], P99_OVER_MEDIAN))
    return bars


def compare_alone(world: World, num_elements: int) -> dict[str, Any]:
    """Collective: worker 0's commits, alternating with a raw one and three additions in numpy."""
    own, raw = Own(world, num_elements), Raw(world, num_elements)
    pairs = [(0.0, 0.0)]
    world.wait_for_all()
    if world.worker == 0:
        pairs = [_pair(own, raw) for _ in range(ALONE_PAIRS + 1)][1:]
    pairs = world.allgather(pairs)[1]
    own.check_and_close(ALONE_PAIRS + 1)
    raw.close()
    own_s, raw_s = (float(np.median(side)) for side in zip(*pairs, strict=True))
    ratio = float(np.median([a / b for a, b in pairs]))
    return {"params": num_elements, "adsp_ms": 1e3 * own_s, "raw+3_ms": 1e3 * raw_s, "x": ratio}


def _pair(own: Own, raw: Raw) -> tuple[float, float]:
    own.learn()
    own_s = commit_s(own)
    start = perf_counter()
    raw.get_accumulate()
    for _ in range(3):
        np.add(raw.answer, raw.base, out=raw.answer)
    return own_s, perf_counter() - start
