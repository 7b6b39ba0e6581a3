"""What every system of the commit benchmark does."""

import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.mpi.ranks.world import World

LEARNT = 4096
"""Elements that change between two commits: all are sent, but learning takes no time."""

STEP = 0.5
"""What every commit adds to each of them: sums of it are exact below 2**23."""


class System:
    """Holds a model of float32[P] zeros at rank 0. Collective to make and to close."""

    spins = False
    """Its idle threads take the cores of whatever is measured beside it."""

    def __init__(self, world: World, num_elements: int) -> None:
        self.world = world
        self.num_elements = num_elements

    def learn(self) -> None:
        """What comes between two commits and is not part of them: adds 1 to the first elements."""
        raise NotImplementedError

    def commit(self) -> None:
        """Send STEP times what was learnt; the local model is rank 0's, and its own base, then."""
        raise NotImplementedError

    def serve(self, workers: int) -> None:
        """Rank 0, until so many workers have left."""

    def leave(self) -> None:
        """This worker commits no more for now."""

    def model(self) -> np.ndarray:
        """Rank 0's model, float32[P]."""
        raise NotImplementedError

    def close(self) -> None:
        """Free everything."""
        self.world.wait_for_all()

    def check_and_close(self, commits: int) -> None:
        """`check`, then `close`; collective."""
        self.world.agree(lambda: self.check(commits) if self.world.is_server else None)
        self.close()

    def check(self, commits: int) -> None:
        """Rank 0: AdspError unless so many commits are in the model, each once."""
        wrong = int((self.model()[:LEARNT] != STEP * commits).sum())
        if wrong:
            name = type(self).__name__
            raise AdspError(f"{name}: {wrong} of {LEARNT} sums are not those of {commits} commits")


class Rival(System):
    """A system whose worker does in plain numpy what a commit takes: difference and rebasing."""

    def __init__(self, world: World, num_elements: int) -> None:
        super().__init__(world, num_elements)
        size = 0 if world.is_server else num_elements
        self.local, self.base, self.update, self.answer = np.zeros((4, size), np.float32)

    def learn(self) -> None:
        self.local[:LEARNT] += 1.0

    def commit(self) -> None:
        np.subtract(self.local, self.base, out=self.update)
        np.multiply(self.update, np.float32(STEP), out=self.update)
        self.exchange()
        np.copyto(self.base, self.local)

    def exchange(self) -> None:
        """Send `update`; `local` becomes rank 0's model."""
        raise NotImplementedError
