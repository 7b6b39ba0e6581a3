"""The interface of the systems that the commit benchmark compares."""

from abc import ABC, abstractmethod

import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.mpi.ranks.world import World

LEARNT = 4096
"""Elements that change between two commits: few, so that learning takes no time; all are sent."""

STEP = 0.5
"""What a commit adds to each of these elements; its sums are exact below 2**23."""


class System(ABC):
    """A model, float32[P], on rank 0 that starts as zeros. Collective to make and to close."""

    spins = False
    """Whether its idle threads take cores from whatever is measured beside it."""

    def __init__(self, world: World, num_elements: int) -> None:
        self.world = world
        self.num_elements = num_elements

    @abstractmethod
    def learn(self) -> None:
        """Stands for training between two commits: adds 1 to the first elements."""

    @abstractmethod
    def commit(self) -> None:
        """Commit STEP times what was learnt; the local model and its base become rank 0's model."""

    def serve(self, workers: int) -> None:  # noqa: B027  most need no serving
        """On rank 0: serve until `workers` workers have left."""

    def leave(self) -> None:  # noqa: B027
        """On a worker: tell rank 0 that it commits no more in this loop."""

    @abstractmethod
    def model(self) -> np.ndarray:
        """On rank 0: the model, float32[P]."""

    def close(self) -> None:
        """Free everything."""
        self.world.wait_for_all()

    def check_and_close(self, commits: int) -> None:
        """`check`, then `close`; collective."""
        self.world.agree(lambda: self.check(commits) if self.world.is_server else None)
        self.close()

    def check(self, commits: int) -> None:
        """On rank 0: AdspError unless the model holds exactly `commits` commits."""
        wrong = int((self.model()[:LEARNT] != STEP * commits).sum())
        if wrong:
            name = type(self).__name__
            raise AdspError(f"{name}: {wrong} of {LEARNT} sums are not those of {commits} commits")


class Rival(System):
    """A rival system: its worker takes the difference and rebases in plain numpy."""

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

    @abstractmethod
    def exchange(self) -> None:
        """Send `update`; `local` becomes rank 0's model."""
