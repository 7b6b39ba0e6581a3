"""A user's own schemes: frozen dataclasses with plain fields."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import Commit, Step
from adsp_mpi.core.models.base import SyncModel


@dataclass(frozen=True)
class Growing(SyncModel):
    """The k-th commit comes after k * growth steps."""

    sees_others: ClassVar[bool] = False

    growth: float = 1.0

    def next_action(self, now, me, board):
        due = me.steps_since_commit >= self.growth * (me.commits + 1)
        return Commit() if due and not me.in_flight else Step()
