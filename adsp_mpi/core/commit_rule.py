"""Commit rules: what a commit does to the global model.

The contract of every rule: the answer to a commit is the model after it. A worker goes on from the
answer plus what it learnt since it took the update. So all other changes of the model, by others'
commits or by an outer step of rank 0, reach the worker with the answer.

A rule acts on the T numbers of the model that are trained; buffers are averaged apart from it. A
synchronization scheme names its rule in `SyncModel.commit_rule`. There is one object, on the
server; it begins with the initial model and never reads a clock.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Callable, ClassVar

import numpy as np

from adsp_mpi.errors import AdspError


@dataclass(frozen=True, slots=True)
class Landing:
    """What a rule knows of a commit that reaches the server."""

    worker: int
    lag: int
    """The number of others' commits that landed since this one's base."""


class CommitRule(ABC):
    """Changes the trained part of the global model, float32[T], commit by commit.

    Everything that it remembers is in `state`, which checkpoints and snapshots hold.
    """

    is_sum: ClassVar[bool] = False
    """Whether a commit only adds to the model. Then under MPI every worker adds its own commits to
    the server's memory, one-sided and chunk by chunk, and `apply` is not called. Any other rule is
    applied by rank 0, one whole commit at a time."""

    def __init__(self) -> None:
        self.state: dict[str, np.ndarray] = {}
        """Arrays by name: float32[T], or a few numbers."""

    def begin(self, values: np.ndarray) -> None:
        """Create the arrays of `state` for an initial model `values`, float32[T]."""
        self.state = {}

    @abstractmethod
    def apply(self, values: np.ndarray, update: np.ndarray, landing: Landing) -> None:
        """Change `values`, float32[T], in place, as a commit lands.

        `update`, float32[T], is what the worker learnt, times eta and the commit's weight. Both
        arrays belong to the engine and must not be kept.
        """

    @property
    def has_outer_step(self) -> bool:
        """Whether the rule overrides `outer_step`."""
        return type(self).outer_step is not CommitRule.outer_step

    def outer_step(self, values: np.ndarray) -> np.ndarray | None:
        """What rank 0 is to add to the model at the end of a `Run`, float32[T]; None for nothing.

        `values` is the model at this moment. Commits that land while the result is being added are
        not in it, and nobody waits. The returned array must stay unchanged until the next call.
        """
        return None

    def check_state(self) -> None:
        """Raise AdspError unless `state` holds arrays of numbers, which alone can be saved."""
        for name, value in self.state.items():
            if not isinstance(value, np.ndarray):
                is_now = f"of type {type(value).__name__}"
            elif value.dtype.kind not in "biuf":
                is_now = f"an array of {value.dtype}"
            else:
                continue
            raise AdspError(
                f"{type(self).__name__}.state[{name!r}] is {is_now}: a commit rule's state holds "
                "numpy arrays of numbers, changed in place; for one number np.zeros(1)"
            )

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of `state`; AdspError if it cannot be saved."""
        self.check_state()
        return {name: array.copy() for name, array in self.state.items()}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Restore what `state_dict` returned, after `begin`; ValueError if the names differ."""
        if state.keys() != self.state.keys():
            raise ValueError(
                f"{type(self).__name__} keeps {sorted(self.state)}, not {sorted(state)}"
            )
        for name, array in self.state.items():
            array[...] = state[name]


class Sum(CommitRule):
    """The default rule: a commit is added to the model."""

    is_sum = True

    def apply(self, values: np.ndarray, update: np.ndarray, landing: Landing) -> None:
        values += update


class OuterMomentum(Sum):
    """Commits add up; at the end of every `Run` rank 0 adds a momentum of their sums.

    Let D be what landed since the last outer step, and m = beta m + D. With `momentum` the model
    moves by m instead of D, with `nesterov` by D + beta m, as with torch.optim.SGD at learning
    rate 1 and gradients -D. Rank 0 adds only the difference, as a commit that is not counted.

    Source: the outer Nesterov step of Douillard et al., "DiLoCo", arXiv 2311.08105. One step for
    many asynchronous commits: Liu et al., "Asynchronous Local-SGD Training for Language Modeling",
    arXiv 2401.09135 (delayed Nesterov with c = 0).
    """

    def __init__(self, beta: float, nesterov: bool) -> None:
        super().__init__()
        self._beta = np.float32(beta)
        self._nesterov = nesterov

    def begin(self, values: np.ndarray) -> None:
        self._kick = np.empty_like(values)
        self.state = {"momentum": np.zeros_like(values), "previous": values.copy()}

    def outer_step(self, values: np.ndarray) -> np.ndarray:
        momentum, previous, kick = self.state["momentum"], self.state["previous"], self._kick
        landed = np.subtract(values, previous, out=previous)
        momentum *= self._beta
        if not self._nesterov:
            kick[:] = momentum
        momentum += landed
        if self._nesterov:
            np.multiply(momentum, self._beta, out=kick)
        np.add(values, kick, out=previous)
        return kick


OUTERS: dict[str, Callable[[float], CommitRule]] = {
    "momentum": lambda beta: OuterMomentum(beta, nesterov=False),
    "nesterov": lambda beta: OuterMomentum(beta, nesterov=True),
}


def make_rule(outer: str) -> CommitRule:
    """The rule for the setting `outer`: `Sum` with its outer step; ValueError for a bad one."""
    if outer == "none":
        return Sum()
    name, _, number = outer.partition(":")
    try:
        beta = float(number)
    except ValueError:
        beta = -1.0
    if name not in OUTERS or not 0 <= beta < 1:
        raise ValueError(
            f"outer = {outer!r}: there are none, nesterov:BETA and momentum:BETA with a BETA from "
            "0 up to 1, such as nesterov:0.5"
        )
    return OUTERS[name](beta)
