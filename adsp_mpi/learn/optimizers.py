"""Torch's optimizers by name, and the state of a worker's optimizers."""

import inspect
from copy import deepcopy
from typing import Any, Callable, Mapping, Sequence

import torch
from torch import nn
from torch.optim import LBFGS, SGD, Optimizer, SparseAdam

from adsp_mpi.errors import UsageError

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    name.lower(): found
    for name, found in sorted(vars(torch.optim).items(), key=lambda item: item[0].lower())
    if isinstance(found, type)
    and issubclass(found, Optimizer)
    and found not in (Optimizer, LBFGS, SparseAdam)
}
"""The optimizers of torch.optim by their names in small letters.

LBFGS is not there, which computes the loss several times in a step, nor SparseAdam, which takes no
dense gradients.
"""


def options_known(name: str) -> list[str]:
    """The names of the arguments of an optimizer of `OPTIMIZERS`, but for the learning rate."""
    arguments = inspect.signature(OPTIMIZERS[name]).parameters
    return [argument for argument in arguments if argument not in ("params", "lr")]


def default_rate(name: str, otherwise: float) -> float:
    """The learning rate that torch gives the optimizer `name`; `otherwise` if there is none."""
    arguments = inspect.signature(OPTIMIZERS[name]).parameters if name in OPTIMIZERS else {}
    return float(arguments["lr"].default) if "lr" in arguments else otherwise


def make_optimizer(
    name: str, rate: float, options: Mapping[str, Any], parameters: Sequence[nn.Parameter] = ()
) -> Optimizer:
    """The optimizer `name` for `parameters`, or for one of a single number; lists become tuples.

    Raises the errors of torch for options that it refuses.
    """
    given = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}
    return OPTIMIZERS[name](parameters or [nn.Parameter(torch.zeros(1, 1))], lr=rate, **given)


def maker(
    name: str, rate: float, options: Mapping[str, Any]
) -> Callable[[Sequence[nn.Parameter]], Optimizer]:
    """Makes the optimizer `name` for given parameters; it raises UsageError if they do not fit."""

    def make(parameters: Sequence[nn.Parameter]) -> Optimizer:
        try:
            return make_optimizer(name, rate, options, parameters)
        except (ValueError, TypeError, RuntimeError) as error:
            raise UsageError(f"train.optimizer = {name}: {error}") from error

    return make


def is_plain_sgd(optimizer: Optimizer) -> bool:
    """Whether steps are SGD without momentum: linear in the gradient and in the weights."""
    groups = optimizer.param_groups
    return type(optimizer) is SGD and not any(group["momentum"] for group in groups)


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
