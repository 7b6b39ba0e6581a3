"""A model on rank 0 that commits change by a rule of the server's, one whole commit at a time."""

import numpy as np
from mpi4py import MPI

from adsp_mpi.core.commit_rule import CommitRule, Landing
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.two_sided import TwoSidedArray

COMMIT = 20
"""An operation that only this array has: apply a commit and answer with the model after it. The
header's offset carries the number of commits in the worker's base."""


class RuledArray(TwoSidedArray):
    """An array, float32[num_elements], whose first `num_trained` numbers a commit rule changes.

    A thread of rank 0 applies the rule. The commit of a rank that dies lands as a whole or not at
    all.
    """

    def __init__(
        self, world: World, num_elements: int, chunk_elements: int, num_trained: int
    ) -> None:
        self.num_trained = num_trained
        self.error: Exception | None = None
        """The error that the rule raised; after it commits change nothing."""

        self._rule: CommitRule | None = None
        self._landed = 0
        super().__init__(world, num_elements, "f4", chunk_elements)

    def follow(self, rule: CommitRule, landed: int) -> None:
        """Use `rule`, which has begun; rank 0 calls this before the first commit.

        `landed` is the number of commits counted so far.
        """
        self._rule, self._landed = rule, landed

    def commit(
        self, update: np.ndarray, answer: np.ndarray, landed_at_base: int
    ) -> list[MPI.Request]:
        """Send a commit, float32[T]; the request is done when `answer`, float32[T], holds the model
        after it."""
        there = slice(landed_at_base, landed_at_base + len(update))
        return self._ask(COMMIT, there, update.view("u1"), answer.view("u1"))

    def outer_step(self) -> float:
        """Add what the rule says, between two commits, and return its norm; rank 0 only."""
        assert self._rule
        with self._applying:
            trained = self.memory[: self.num_trained]
            kick = self._rule.outer_step(trained)
            if kick is None:
                return 0.0
            trained += kick
            return float(np.linalg.norm(kick))

    def load(self, into: np.ndarray) -> np.ndarray:
        with self._applying:
            return super().load(into)

    def _carry_out(
        self, source: int, kind: int, offset: int, count: int, payload: np.ndarray
    ) -> np.ndarray:
        if kind != COMMIT:
            return super()._carry_out(source, kind, offset, count, payload)
        landing = Landing(self.world.worker_of(source), max(0, self._landed - offset))
        trained = self.memory[: self.num_trained]
        with self._applying:
            self._apply_rule(trained, payload.view("f4"), landing)
            self._landed += 1
            return trained.copy().view("u1")

    def _apply_rule(self, trained: np.ndarray, update: np.ndarray, landing: Landing) -> None:
        if self.error or not self._rule:
            return
        try:
            self._rule.apply(trained, update, landing)
        except Exception as error:
            self.error = error
