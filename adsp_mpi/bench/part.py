"""The context that every part of the benchmark receives."""

import sys
from dataclasses import dataclass
from pathlib import Path

from adsp_mpi.mpi.ranks.world import World


@dataclass(frozen=True)
class Bench:
    """The ranks, the options, and a folder for runs that is deleted at the end.

    `seconds` is the length of a loop of commits; `repeats` is how often each of the systems that
    are compared is measured, alternately.
    """

    world: World
    folder: Path
    params: tuple[int, ...]
    against: tuple[str, ...]
    seconds: float
    repeats: int

    def tell(self, text: str) -> None:
        """Print a line of progress on rank 0."""
        if self.world.is_server:
            print(text, file=sys.stderr, flush=True)
