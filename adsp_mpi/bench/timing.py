"""Closed loops of commits: a worker begins its next commit when its last one is done."""

from time import perf_counter
from typing import Any, NamedTuple, Sequence

import numpy as np

from adsp_mpi.bench.systems.system import System


class Loop(NamedTuple):
    """The commits of several workers in one loop."""

    by_rank: list[np.ndarray]
    """The seconds of each commit, float64[commits] per rank."""

    elapsed_s: list[float]

    @property
    def durations(self) -> np.ndarray:
        """The seconds of all ranks' commits, float64[commits]."""
        return np.concatenate(self.by_rank)

    @property
    def rate(self) -> float:
        """Commits per second of all workers together."""
        return sum(len(d) / s for d, s in zip(self.by_rank, self.elapsed_s, strict=True))

    def of(self, worker: int) -> "Loop":
        """The commits of one worker."""
        return Loop([self.by_rank[worker + 1]], [self.elapsed_s[worker + 1]])


def closed_loop(system: System, workers: Sequence[int], seconds: float) -> Loop:
    """Collective: these workers commit for `seconds`, each at least once."""
    world = system.world
    mine, elapsed_s = np.zeros(0), 1.0
    world.wait_for_all()
    if world.is_server:
        system.serve(len(workers))
    elif world.worker in workers:
        mine, elapsed_s = _commit_for(system, seconds)
        system.leave()
    by_rank, elapsed = zip(*world.allgather((mine, elapsed_s)), strict=True)
    return Loop(list(by_rank), list(elapsed))


def _commit_for(system: System, seconds: float) -> tuple[np.ndarray, float]:
    durations: list[float] = []
    begun = perf_counter()
    while not durations or perf_counter() - begun < seconds:
        system.learn()
        durations.append(commit_s(system))
    return np.array(durations), perf_counter() - begun


def commit_s(system: System) -> float:
    """Seconds of one commit."""
    start = perf_counter()
    system.commit()
    return perf_counter() - start


def metrics(rounds: list[Loop]) -> dict[str, Any]:
    """Quantiles of the times of all commits; median and spread of the rounds' rates."""
    durations = np.concatenate([loop.durations for loop in rounds])
    rates = [loop.rate for loop in rounds]
    median, p95, p99 = (1e3 * float(q) for q in np.percentile(durations, (50, 95, 99)))
    return {
        "median_ms": median,
        "p95_ms": p95,
        "p99_ms": p99,
        "commits_s": float(np.median(rates)),
        "spread": (max(rates) - min(rates)) / float(np.median(rates)),
        "commits": len(durations),
    }
