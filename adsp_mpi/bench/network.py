"""Part `network`: commits over TCP while rank 0 is busy, and beside a worker with a slow link.

For ranks on several hosts. The slow link is that of the last rank: limit it before the start.
"""

import time
from typing import Callable

import numpy as np
import torch
from mpi4py import MPI
from torch import nn

from adsp_mpi.bench.findings import Bar, Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.bench.systems.own import Own
from adsp_mpi.bench.timing import Loop, closed_loop, metrics
from adsp_mpi.mpi.ranks.world import SERVER
from adsp_mpi.tables import Table

PARAMS = 1_000_000
LEAVE = 7
OVER_SPINNING = 3.0
OVER_UNDISTURBED = 1.5
IDLE_S = 3.0
SHARE = 3.0
COLUMNS = {"rank 0": "", "median_ms": ".2f", "p95_ms": ".2f", "p99_ms": ".2f", "commits": "d"}


class Busy(Own):
    """A system in which rank 0 repeats an activity while workers commit."""

    do: Callable[[], object]

    def serve(self, workers: int) -> None:
        for _ in range(workers):
            while not self.world.comm.Iprobe(MPI.ANY_SOURCE, LEAVE):
                self.do()
            self.world.comm.recv(source=MPI.ANY_SOURCE, tag=LEAVE)

    def leave(self) -> None:
        self.world.comm.send(None, SERVER, LEAVE)


def measure(bench: Bench) -> Findings:
    """Collective."""
    system = Busy(bench.world, PARAMS)
    found = beside_a_slow_link(bench, system, while_busy(bench, system))
    system.close()
    return idle(bench, found)


def while_busy(bench: Bench, system: Busy) -> Findings:
    """Time commits of worker 0 while rank 0 does each activity in turn in its main thread."""
    doings = activities(bench)
    loops: dict[str, list[Loop]] = {name: [] for name in doings}
    for turn in range(bench.repeats):
        for name, do in doings.items():
            bench.tell(f"commits while rank 0 {name}, turn {turn + 1} of {bench.repeats}")
            system.do = do
            loops[name].append(closed_loop(system, [0], 4 * bench.seconds))
    rows = [{"rank 0": name, **metrics(rounds)} for name, rounds in loops.items()]
    spinning = rows[0]["p95_ms"]
    bars = [
        Bar(f"p95 of 4 MB while rank 0 {row['rank 0']}, over spinning", x, OVER_SPINNING)
        for row in rows[1:]
        for x in [row["p95_ms"] / spinning]
    ]
    return Findings(Table.formatted(rows, COLUMNS).lines(), rows, bars)


def activities(bench: Bench) -> dict[str, Callable[[], object]]:
    """Rank 0's activities by name; the others are compared with the first one."""
    images, layer = torch.randn(64, 3, 32, 32), nn.Conv2d(3, 64, 3)
    values = np.zeros(3 * PARAMS, np.float32)

    def evaluates() -> None:
        with torch.no_grad():
            for _ in range(50):
                layer(images)

    return {
        "spins": lambda: bench.world.comm.Iprobe(MPI.ANY_SOURCE, LEAVE),
        "idles": lambda: time.sleep(0.02),
        "evaluates": evaluates,
        "writes": lambda: np.savez(bench.folder / "checkpoint.npz", values=values),
    }


def beside_a_slow_link(bench: Bench, system: Busy, found: Findings) -> Findings:
    """Time commits of worker 0, alternately alone and while the last worker commits too."""
    last = bench.world.num_workers - 1
    if not last:
        return found
    system.do = lambda: time.sleep(0.02)
    alone, beside = [], []
    for turn in range(bench.repeats):
        bench.tell(f"commits beside the last rank, turn {turn + 1} of {bench.repeats}")
        alone.append(closed_loop(system, [0], 4 * bench.seconds))
        beside.append(closed_loop(system, [0, last], 4 * bench.seconds).of(0))
    alone_ms, beside_ms = (metrics(loops)["median_ms"] for loops in (alone, beside))
    found.lines.append(f"worker 0 alone {alone_ms:.2f} ms, beside the last rank {beside_ms:.2f} ms")
    found.rows.append({"alone_ms": alone_ms, "beside_ms": beside_ms})
    what = "commit of 4 MB beside the last rank, over alone"
    found.bars.append(Bar(what, beside_ms / alone_ms, OVER_UNDISTURBED))
    return found


def idle(bench: Bench, found: Findings) -> Findings:
    """Measure the CPU use of rank 0, its helper included, while no commit is in flight."""
    system = Own(bench.world, PARAMS)
    bench.world.wait_for_all()
    begun_s = time.process_time()
    time.sleep(IDLE_S)
    share = 100 * (time.process_time() - begun_s) / IDLE_S
    share = bench.world.allgather(share)[SERVER]
    system.close()
    found.lines.append(f"CPU of rank 0 with nothing in flight {share:.2f}% of a core")
    found.bars.append(Bar("CPU of rank 0 with nothing in flight", share, SHARE, unit="%"))
    return found
