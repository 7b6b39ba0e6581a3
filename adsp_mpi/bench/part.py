"""What every part of the benchmark is given."""

import sys
from dataclasses import dataclass
from pathlib import Path

from adsp_mpi.mpi.ranks.world import World

ROUNDS = 3
"""Whatever is compared takes turns, so often."""


@dataclass(frozen=True)
class Bench:
    """The ranks, what was asked for, and a folder for runs that is deleted at the end."""

    world: World
    folder: Path
    params: tuple[int, ...]
    against: tuple[str, ...]
    seconds: float

    def tell(self, text: str) -> None:
        """A line of progress, by rank 0."""
        if self.world.is_server:
            print(text, file=sys.stderr, flush=True)
