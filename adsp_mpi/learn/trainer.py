"""Local training: mini-batches, gradients and the local step of one worker."""

from contextlib import nullcontext
from typing import Any, Callable, ContextManager

import numpy as np
import torch
from torch import nn

from adsp_mpi.errors import AdspError
from adsp_mpi.learn.batch import Batch
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.late_loss import LateLoss
from adsp_mpi.learn.optimizers import OptimizerStates
from adsp_mpi.learn.packed import packed, unpacked
from adsp_mpi.learn.reading import Reading, read_training_data
from adsp_mpi.learn.sample_order import DealtOrder, Order
from adsp_mpi.learn.task import Task, checked_loss
from adsp_mpi.learn.updates import PLAIN_SGD, LearningRate, LocalStep


class Trainer(OptimizerStates):
    """Takes local steps on a worker's share of the data.

    `order_of(share)` gives the order of the samples of a share, before the first one. With
    `loaders` that many processes read the samples ahead.
    """

    def __init__(
        self,
        task: Task,
        model: FlatModel,
        order_of: Callable[[int], Order],
        share: int,
        learning_rate: LearningRate,
        how: LocalStep = PLAIN_SGD,
        loaders: int = 0,
    ) -> None:
        self.steps = 0
        self.progress: Callable[[], float] = lambda: 0.0
        self._task = task
        self._model = model
        self._order_of = order_of
        self._share = share
        self._order = order_of(share)
        self.hand = self._order.hand if isinstance(self._order, DealtOrder) else None
        self._how = how
        self._update = how.update(model, learning_rate)
        self._device = model.values.device
        self._loss = LateLoss()
        self._loaders = loaders
        self._reading = self._make_reading()
        super().__init__(self._update.optimizers)

    def step(self, batch_size: int) -> float | None:
        """One mini-batch: compute its gradient and change the model by it.

        Where commits carry gradients, the change waits until the workers' mean is there: it is made
        at the beginning of the next step. Returns the loss before the step, on a GPU that of the
        step before, which is known without a wait, and None at first. Raises AdspError where the
        task's loss is not a scalar that depends on the parameters.
        """
        if self._model.give_gradients():
            self._change(max(0, self.steps - 1))
        if not self._model.module.training:
            self._model.module.train()
        self._update.zero_grad()
        parts = self._reading.parts(batch_size)
        loss = self._backward(*next(parts), batch_size)
        for samples, batch in parts:
            loss += self._backward(samples, batch, batch_size)
        if self._model.carries_gradients:
            self._model.take_gradients()
        else:
            self._change(self.steps)
        self.steps += 1
        self._loss.log(loss)
        return self._loss.take()

    def _change(self, steps: int) -> None:
        """Change the model by the gradients of its parameters, after `steps` steps."""
        if self._how.grad_clip:
            nn.utils.clip_grad_norm_(self._model.trained, self._how.grad_clip)
        self._update.step(steps, self.progress())

    def close(self) -> None:
        """End all processes; no step is taken after that."""
        self._reading.close()

    def _read_anew(self) -> None:
        """Read what now comes next in the order; what was read ahead is forgotten."""
        self._reading.close()
        self._reading = self._make_reading()

    def _make_reading(self) -> Reading:
        parts, loaders = self._how.accumulate, self._loaders
        return read_training_data(self._task, self._order, self._device, parts, loaders, self.steps)

    def _backward(self, samples: int, batch: Batch, batch_size: int) -> torch.Tensor:
        """Add the gradient of these samples, by their share of the batch; returns their part of
        the loss."""
        with self._precision():
            loss = checked_loss(self._task.loss(self._model.module, batch))
        if not loss.requires_grad:
            raise AdspError(
                "the task's loss has no gradient: compute it from the model's output, without "
                "detach() or torch.no_grad()"
            )
        if samples < batch_size:
            loss = loss * (samples / batch_size)
        loss.backward()
        return loss.detach()

    def _precision(self) -> ContextManager[None]:
        """The precision of losses; an autocast that is switched off would take 40 us a step too."""
        if not self._how.bf16:
            return nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)

    def take_share(self, share: int) -> None:
        """Train on this share of the data from here on."""
        if share != self._share:
            self._share = share
            if not self.hand:
                self._order = self._order_of(share)
                self._read_anew()

    def begin_anew(self) -> None:
        super().begin_anew()
        if self.hand:
            self.hand.drop()
            self._read_anew()

    def state_dict(self) -> dict[str, Any]:
        """All of the worker's training but the model's values."""
        buffers = {name: b.cpu().numpy().copy() for name, b in self._model.own_buffers.items()}
        return {
            "steps": self.steps,
            "share": self._share,
            "order": self._order.state_dict(),
            "buffers": buffers,
            "optimizer": packed(self._optimizer_state()) if self._update.optimizers else [],
        }

    def _optimizer_state(self) -> dict[str, Any]:
        scheduler = self._update.scheduler_state_dict()
        return {**self.optimizers_state_dict(), "scheduler": scheduler}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.steps = state["steps"]
        self.take_share(state["share"])
        self._order.load_state_dict(state["order"])
        self._read_anew()
        for name, buffer in self._model.own_buffers.items():
            buffer.copy_(torch.from_numpy(np.asarray(state["buffers"][name])))
        if self._update.optimizers:
            saved = unpacked(state["optimizer"])
            self.load_optimizers_state_dict(saved)
            self._update.load_scheduler_state_dict(saved["scheduler"])
