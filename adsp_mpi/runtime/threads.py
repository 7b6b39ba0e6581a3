"""How many threads torch uses on a rank."""

import os
from typing import Sequence

Cores = tuple[str, frozenset[int]]
"""A host, and the numbers of its cores on which a process may run."""


def own_cores(host: str = "") -> Cores:
    """The cores of this process; without affinity masks, as on macOS, all of the host."""
    if hasattr(os, "sched_getaffinity"):
        return host, frozenset(os.sched_getaffinity(0))
    return host, frozenset(range(os.cpu_count() or 1))


def fair_threads(configured: int, rank: int, cores: Sequence[Cores]) -> int:
    """The configured number; for 0 the rank's cores over the ranks that have the same ones.

    `cores` are by rank.
    """
    sharing = sum(other == cores[rank] for other in cores)
    return configured or max(1, len(cores[rank][1]) // sharing)
