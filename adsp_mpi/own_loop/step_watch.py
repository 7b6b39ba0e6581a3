"""Notices loops that train what no commit would carry."""

from typing import Any, Sequence

import torch
from torch.optim import Optimizer

from adsp_mpi.errors import AdspError
from adsp_mpi.learn.flat import FlatModel

FIRST_LOOK, SECOND_LOOK = 10, 110
"""The weights are looked at in these batches after a step, if no other step has come."""

NUMBERS = 16
"""The numbers of each parameter that are looked at."""


class StepWatch:
    """Told of every batch and every step of the optimizers that `join` was given.

    Its errors say what is wrong with the user's loop.
    """

    def __init__(self, model: FlatModel, optimizers: Sequence[Optimizer]) -> None:
        self._model = model
        self._optimizers = optimizers
        self._groups = self._count_groups()
        self._batches = 0
        self._seen = torch.empty(0)

    def batch(self) -> None:
        """Another batch; AdspError if the weights change while no optimizer makes a step."""
        self._batches += 1
        if self._batches == FIRST_LOOK:
            self._seen = self._sample()
        elif self._batches == SECOND_LOOK and not torch.equal(self._seen, self._sample()):
            raise AdspError(
                f"in {SECOND_LOOK} batches no optimizer given to join made a step, and yet the "
                "weights have changed: give join the optimizer whose step() changes them, of a "
                "wrapper such as SAM the one inside; one made later is not known to the run"
            )

    def step(self, *_: Any) -> None:
        """A step of an optimizer; AdspError if it has got parameters that no commit carries."""
        self._batches = 0
        if self._count_groups() != self._groups:
            self._groups = self._count_groups()
            self._require_carried()

    def _count_groups(self) -> int:
        return sum(len(optimizer.param_groups) for optimizer in self._optimizers)

    def _require_carried(self) -> None:
        carried = {id(parameter) for parameter in self._model.trained}
        names = {id(p): name for name, p in self._model.module.named_parameters()}
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if id(parameter) not in carried:
                        name = names.get(id(parameter), "a parameter of no model")
                        raise AdspError(
                            f"the optimizer was given {name}, which was frozen at join, so that "
                            "no commit carries it: give it to the optimizer before join; what is "
                            "frozen until later is not changed meanwhile"
                        )

    def _sample(self) -> torch.Tensor:
        """Some numbers of every trained parameter, on the CPU."""
        parts = [p.detach().reshape(-1)[:NUMBERS].float().cpu() for p in self._model.trained]
        return torch.cat(parts)
