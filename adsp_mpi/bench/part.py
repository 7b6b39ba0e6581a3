"""The context that every part of the benchmark receives."""

import sys
from dataclasses import dataclass
from pathlib import Path

from adsp_mpi.mpi.ranks.world import World

ROUNDS = 3
"""How often each of the systems that are compared is measured, alternately."""


@dataclass(frozen=True)
class Bench:
    """The ranks, the options, and a folder for runs that is deleted at the end."""

    world: World
    folder: Path
    params: tuple[int, ...]
    against: tuple[str, ...]
    seconds: float

    def tell(self, text: str) -> None:
        """Print a line of progress on rank 0."""
        if self.world.is_server:
            print(text, file=sys.stderr, flush=True)
