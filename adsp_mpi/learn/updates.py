"""How a task's step changes the model, once its gradients are there."""

import math
from dataclasses import dataclass
from typing import Any, Callable, Protocol, Sequence

from torch import nn
from torch.optim import LBFGS, Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from adsp_mpi.errors import UsageError
from adsp_mpi.learn.flat import FlatModel

SCHEDULER_STEPS = 1000
"""A task's own scheduler takes this many steps over the run, by the run's progress."""


@dataclass(frozen=True)
class LearningRate:
    """The local learning rate eta' of a worker's step.

    It is `initial` * `decay` ** (steps / `decay_steps`), by the worker's own steps, times a factor
    by the progress of the run, 0 to 1, which all workers share: that rises from 0 over the share
    `warmup`, and then stays 1, or falls to 0 as half a cosine wave.
    """

    initial: float
    decay: float
    decay_steps: float
    schedule: str = "none"
    warmup: float = 0.0

    def at(self, steps: int, progress: float = 1.0) -> float:
        return self.initial * self.factor(steps, progress)

    def factor(self, steps: int, progress: float) -> float:
        """The learning rate over `initial`."""
        return self.decay ** (steps / self.decay_steps) * self._over_the_run(progress)

    def _over_the_run(self, progress: float) -> float:
        if progress < self.warmup:
            return progress / self.warmup
        if self.schedule == "none" or self.warmup == 1:
            return 1.0
        done = (progress - self.warmup) / (1 - self.warmup)
        return 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True)
class LocalStep:
    """What a task's step is made of, beside its learning rate."""

    optimizer: Callable[[list[nn.Parameter]], Optimizer] | None = None
    """Makes the optimizer of the trained parameters; None: plain SGD."""

    scheduler: Callable[[Optimizer], LRScheduler] | None = None
    """Makes a scheduler, which takes `SCHEDULER_STEPS` steps over the run."""

    grad_clip: float = 0.0
    """The largest norm of a step's gradient; 0: no limit."""

    accumulate: int = 1
    """The parts of a step's batch that are computed one by one."""

    bf16: bool = False
    """Whether losses are computed in bfloat16 where torch's autocast deems that safe."""

    def update(self, model: FlatModel, rate: LearningRate) -> "Update":
        """How a step changes `model`; UsageError for what is no optimizer or scheduler."""
        if self.optimizer is None:
            return FlatSgd(model, rate)
        optimizer = _checked_optimizer(self.optimizer(model.trained))
        scheduler = self.scheduler and _checked_scheduler(self.scheduler(optimizer))
        return OptimizerUpdate(optimizer, scheduler, rate)


PLAIN_SGD = LocalStep()
"""w <- w - eta' g, for each batch at once."""


class Update(Protocol):
    """Changes the model by its gradients, which are in `grad` of its parameters."""

    @property
    def optimizers(self) -> Sequence[Optimizer]:
        """Those whose state belongs to the worker."""

    def zero_grad(self) -> None:
        """Begin a new gradient."""

    def step(self, steps: int, progress: float) -> None:
        """Change the model, after `steps` steps of this worker, at this progress of the run."""

    def scheduler_state_dict(self) -> dict[str, Any]:
        """For `load_scheduler_state_dict`; {} where there is no scheduler."""

    def load_scheduler_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `scheduler_state_dict` returned."""


class FlatSgd:
    """Plain SGD on the model's vector: w <- w - eta' g."""

    optimizers = ()

    def __init__(self, model: FlatModel, rate: LearningRate) -> None:
        self._trained = model.values[: model.num_trainable]
        self._gradients = model.hold_gradients()
        self._rate = rate

    def zero_grad(self) -> None:
        self._gradients.zero_()

    def step(self, steps: int, progress: float) -> None:
        self._trained.add_(self._gradients, alpha=-self._rate.at(steps, progress))

    def scheduler_state_dict(self) -> dict[str, Any]:
        return {}

    def load_scheduler_state_dict(self, state: dict[str, Any]) -> None: ...


class OptimizerUpdate:
    """A step of an optimizer of torch, and of its scheduler if there is one.

    Without a scheduler every group of parameters has the learning rate that the optimizer began
    with, times the factor of `rate`.
    """

    def __init__(
        self, optimizer: Optimizer, scheduler: LRScheduler | None, rate: LearningRate
    ) -> None:
        self.optimizers = (optimizer,)
        self._optimizer, self._scheduler = optimizer, scheduler
        self._rate = rate
        self._initial = [group["lr"] for group in optimizer.param_groups]
        self._scheduler_steps = 0

    def zero_grad(self) -> None:
        self._optimizer.zero_grad()

    def step(self, steps: int, progress: float) -> None:
        if self._scheduler is None:
            factor = self._rate.factor(steps, progress)
            for group, initial in zip(self._optimizer.param_groups, self._initial, strict=True):
                group["lr"] = initial * factor
        else:
            self._schedule(self._scheduler, progress)
        self._optimizer.step()

    def _schedule(self, scheduler: LRScheduler, progress: float) -> None:
        """Let the scheduler take the steps that are due by now."""
        due = int(progress * SCHEDULER_STEPS)
        while self._scheduler_steps < due:
            self._scheduler_steps += 1
            scheduler.step()

    def scheduler_state_dict(self) -> dict[str, Any]:
        if self._scheduler is None:
            return {}
        return {"steps": self._scheduler_steps, "scheduler": self._scheduler.state_dict()}

    def load_scheduler_state_dict(self, state: dict[str, Any]) -> None:
        if self._scheduler is not None:
            self._scheduler_steps = state["steps"]
            self._scheduler.load_state_dict(state["scheduler"])


def _checked_optimizer(made: object) -> Optimizer:
    if not isinstance(made, Optimizer):
        hint = " (is a return missing?)" if made is None else ""
        raise UsageError(
            f"the task's optimizer gave a {type(made).__name__}, not a torch Optimizer{hint}"
        )
    if isinstance(made, LBFGS):
        raise UsageError(
            "the task's optimizer is LBFGS, which computes the loss several times in a step: "
            "take another, or a loop of your own (guide convert)"
        )
    return made


def _checked_scheduler(made: object) -> LRScheduler:
    if not isinstance(made, LRScheduler) or isinstance(made, ReduceLROnPlateau):
        raise UsageError(
            f"the task's scheduler gave a {type(made).__name__}; it must be a learning-rate "
            f"scheduler of torch that goes by steps, of which it takes {SCHEDULER_STEPS} in a run"
        )
    return made
