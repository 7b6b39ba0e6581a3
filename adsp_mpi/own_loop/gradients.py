"""A user's loop whose commits carry gradients: each step is made with the mean of all workers'."""

from typing import Any, Callable

import torch

from adsp_mpi.errors import AdspError
from adsp_mpi.own_loop.workload import LoopWorkload

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class GradientExchange:
    """Moves gradients between the loop's parameters and the vector that commits carry.

    `take` and `give` are called right before a step of the optimizer, with a commit and a pull in
    between.
    """

    def __init__(self, workload: LoopWorkload) -> None:
        self._workload = workload
        self._optimizer = workload.optimizers[0]
        self.catches_up = False
        """The step under way is one that was due when the run was saved."""

    def take(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        """Put this worker's gradient into the vector; returns other arguments for the step.

        A closure, which computes the loss, is called here, and only its result is passed on. Raises
        AdspError where the gradient is still to be unscaled, and for the closure of an optimizer
        that is not torch's: it may want another gradient in the same step, as SAM does.
        """
        if getattr(self._optimizer, "grad_scale", None) is not None:
            raise AdspError(
                "a GradScaler would unscale the gradients inside of this optimizer's step, after "
                "they were committed: call scaler.unscale_(optimizer) before scaler.step(optimizer)"
            )
        kind = type(self._optimizer)
        if closure_of(args, kwargs) and not kind.__module__.startswith("torch.optim."):
            raise AdspError(
                f"{kind.__name__}.step(closure) may compute several gradients in a step, and a "
                "commit carries one: set sync.commits = weights, or call step() without a closure"
            )
        changed = _without_closure(args, kwargs)
        self._workload.model.take_gradients()
        return changed

    def give(self) -> None:
        """Take the mean of all workers' gradients from the vector."""
        self._workload.model.give_gradients()

    def catch_up(self) -> None:
        """After the run has begun: make the step that was due when it was saved, if any."""
        if not self._workload.model.give_gradients():
            return
        self.catches_up = True
        self._optimizer.step()
        self.catches_up = False
        self._optimizer.zero_grad()


def closure_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any] | None:
    """The closure in the arguments of an optimizer's step, of which the first is the optimizer."""
    return kwargs.get("closure") or (args[1] if len(args) > 1 else None)


def _without_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
    """Call the closure in the arguments of a step, if any; returns arguments with its result."""
    closure = closure_of(args, kwargs)
    if closure is None:
        return None
    with torch.enable_grad():
        loss = closure()
    return args[:1], {**kwargs, "closure": lambda: loss}
