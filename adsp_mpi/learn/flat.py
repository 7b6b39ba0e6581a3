"""A module's parameters and float buffers as one flat float32 vector."""

from itertools import zip_longest
from typing import Sequence

import torch
from torch import nn

from adsp_mpi.errors import UsageError


class FlatModel:
    """Copies a module's tensors into `values`, float32[P], and makes the tensors views of it.

    Trainable parameters come first, then frozen ones and float buffers (batch-norm statistics).
    `gradients`, float32[T] with T <= P, holds the gradients of the trainable parameters in the
    same way. Integer and bool buffers are left alone: they are neither averaged nor sent. Raises
    UsageError for a float parameter or buffer that is not float32, and for a model without a
    trainable parameter.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module = module.to(device)
        trainable = [p for p in module.parameters() if p.requires_grad]
        frozen = [p for p in module.parameters() if not p.requires_grad]
        buffers = [b for b in module.buffers() if b.is_floating_point()]
        _require_float32(module)
        if not trainable:
            raise UsageError("the model has no trainable parameter")
        tensors = [*trainable, *frozen, *buffers]
        self.layout = _layout(module, tensors)
        """Name, type and shape of each tensor, in the order of `values`; other buffers follow."""

        self.values = torch.empty(sum(t.numel() for t in tensors), device=device)
        self.num_trainable = sum(p.numel() for p in trainable)
        self.gradients = torch.zeros(self.num_trainable, device=device)
        _move_into(self.values, tensors)
        offset = 0
        for parameter in trainable:
            end = offset + parameter.numel()
            parameter.grad = self.gradients[offset:end].view_as(parameter)
            offset = end

    @property
    def own_buffers(self) -> dict[str, torch.Tensor]:
        """The integer and bool buffers, by name."""
        named = self.module.named_buffers()
        return {name: buffer for name, buffer in named if not buffer.is_floating_point()}

    @property
    def num_elements(self) -> int:
        """P, the length of `values`."""
        return self.values.numel()

    def require_layout(self, saved: Sequence[str], source: str) -> None:
        """Raise UsageError unless `saved`, from `source`, is this model's layout."""
        for before, now in zip_longest(saved, self.layout, fillvalue="nothing more"):
            if before != now:
                raise UsageError(
                    f"{source} is of another model: it has {before} where this one has {now}"
                )


def _layout(module: nn.Module, tensors: list[torch.Tensor]) -> list[str]:
    named = [*module.named_parameters(), *module.named_buffers()]
    names = {id(tensor): name for name, tensor in named}
    others = [b for b in module.buffers() if not b.is_floating_point()]
    return [
        f"{names[id(t)]} {str(t.dtype).removeprefix('torch.')}{list(t.shape)}"
        for t in [*tensors, *others]
    ]


def _require_float32(module: nn.Module) -> None:
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if tensor.is_complex() or (tensor.is_floating_point() and tensor.dtype != torch.float32):
            raise UsageError(f"{name} is {tensor.dtype}: the model must be float32 (model.float())")


def _move_into(flat: torch.Tensor, tensors: list[torch.Tensor]) -> None:
    offset = 0
    for tensor in tensors:
        end = offset + tensor.numel()
        view = flat[offset:end].view(tensor.shape)
        view.copy_(tensor.detach())
        tensor.data = view
        offset = end
