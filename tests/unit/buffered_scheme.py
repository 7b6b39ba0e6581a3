"""A synchronization scheme with a state of its own on the server, all in this file.

After FedBuff (Nguyen et al., AISTATS 2022): the server gathers commits and moves the model by
their mean once it has K of them.
"""

from dataclasses import dataclass

import numpy as np

from adsp_mpi.core.commit_rule import CommitRule, Landing
from adsp_mpi.core.models.asp import Asp
from adsp_mpi.options import option

begun: list["Buffer"] = []
"""The rules that were begun in this process, for tests to look at."""


class Buffer(CommitRule):
    """Every `size` commits the model moves by their mean."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def begin(self, values: np.ndarray) -> None:
        self.state = {"gathered": np.zeros_like(values), "count": np.zeros(1, np.int64)}
        begun.append(self)

    def apply(self, values: np.ndarray, update: np.ndarray, landing: Landing) -> None:
        gathered, count = self.state["gathered"], self.state["count"]
        gathered += update
        count += 1
        if count == self._size:
            values += gathered / np.float32(self._size)
            gathered[:] = 0
            count[:] = 0


@dataclass(frozen=True)
class Buffered(Asp):
    """ASP's workers before a server that gathers `buffer` commits."""

    buffer: int = option(2, "K, commits that the server gathers before it moves the model", low=1)

    def commit_rule(self) -> CommitRule:
        return Buffer(self.buffer)
