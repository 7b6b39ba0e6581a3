"""The state of a worker's optimizers."""

from copy import deepcopy
from typing import Any, Sequence

from torch.optim import Optimizer


class OptimizerStates:
    """The states of `optimizers`, such as momenta, over what happens to a worker.

    A rebase leaves them as they are: it moves the weights by what others learnt, which hardly
    changes what an optimizer knows of the gradients.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = optimizers
        self._snapshot: list[dict[Any, Any]] = [{} for _ in optimizers]

    def keep_snapshot(self) -> None:
        """Keep the states for `return_to_snapshot`."""
        self._snapshot = [deepcopy(o.state_dict()["state"]) for o in self._optimizers]

    def return_to_snapshot(self) -> None:
        """Take the states that were kept last; the model has been restored."""
        self._put_states(self._snapshot)

    def begin_anew(self) -> None:
        """Forget the states: the model has become another one."""
        self._put_states([{} for _ in self._optimizers])

    def optimizers_state_dict(self) -> dict[str, Any]:
        """The states, the rates and other settings, and the snapshot, with tensors in them."""
        states = [optimizer.state_dict() for optimizer in self._optimizers]
        return {"optimizers": states, "snapshot": self._snapshot}

    def load_optimizers_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from what `optimizers_state_dict` returned."""
        for optimizer, state in zip(self._optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self._snapshot = saved["snapshot"]

    def _put_states(self, states: Sequence[dict[Any, Any]]) -> None:
        """Give every optimizer its state, and leave its rates and other settings as they are."""
        for optimizer, state in zip(self._optimizers, states, strict=True):
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": deepcopy(state), "param_groups": groups})
