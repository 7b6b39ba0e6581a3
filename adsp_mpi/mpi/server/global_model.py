"""The global model with its commit rule, as rank 0 reads, steps, saves and restores it."""

from typing import Any

import numpy as np

from adsp_mpi.core.commit_rule import CommitRule
from adsp_mpi.errors import AdspError
from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.transport.remote_array import RemoteArray
from adsp_mpi.mpi.transport.ruled import RuledArray


class GlobalModel:
    """The model in `array`, float32[P], and its commit rule, which acts on the first T numbers.

    The rule's state is on rank 0, even if other ranks serve parts of the model: rank 0 reads all
    parts for an outer step and adds it to them like a commit.
    """

    def __init__(self, array: RemoteArray, rule: CommitRule, num_trained: int) -> None:
        self._array = array
        self._rule = rule
        self._num_trained = num_trained

    def begin(self, saved: dict[str, np.ndarray] | None, landed: int, scratch: np.ndarray) -> None:
        """Begin the rule, now that the initial model is there, with `landed` commits in it.

        The rule continues from `saved`, if any; `scratch`, float32[P], is overwritten.
        """
        self._rule.begin(self.load(scratch)[: self._num_trained])
        self._rule.check_state()
        if saved:
            self._rule.load_state_dict(saved)
        if isinstance(self._array, RuledArray):
            self._array.follow(self._rule, landed)

    def load(self, into: np.ndarray) -> np.ndarray:
        """Fill `into`, float32[P], with the model, and return it."""
        return self._array.load(into)

    def outer_step(self, scratch: np.ndarray) -> float:
        """Make the rule's outer step, added like a commit; returns its norm.

        `scratch`, float32[P], is overwritten.
        """
        if isinstance(self._array, RuledArray):
            return self._array.outer_step()
        values = self.load(scratch)[: self._num_trained]
        kick = self._rule.outer_step(values)
        if kick is None:
            return 0.0
        wait_for(self._array.add(kick, values))
        self._array.flush()
        return float(np.linalg.norm(kick))

    def require_sound(self) -> None:
        """Raise AdspError if the commit rule has failed."""
        if isinstance(self._array, RuledArray) and (error := self._array.error):
            text = f"{type(self._rule).__name__}.apply: {type(error).__name__}: {error}"
            raise AdspError(text) from error

    def state_dict(self) -> dict[str, Any]:
        """The state of model and rule, while no commit is in flight."""
        values = self.load(np.empty(self._array.num_elements, np.float32))
        return {"values": values, "rule": self._rule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, while no commit is in flight."""
        self._array.store(state["values"])
        self._rule.load_state_dict(state["rule"])
