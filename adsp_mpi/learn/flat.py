"""A module's parameters and float buffers as one flat float32 vector."""

import torch
from torch import nn

from adsp_mpi.errors import UsageError


class FlatModel:
    """Moves a module's state into `values`, one float32 vector [P] that its tensors are views of.

    Trainable parameters come first, then frozen ones and float buffers (batch-norm statistics).
    `gradients` [T], T <= P, holds the gradients of the trainable ones in the same way. Integer
    and bool buffers stay where they are: they are neither averaged nor sent. Raises UsageError
    for a float parameter or buffer that is not float32.
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
        """The buffers that stay where they are, by name."""
        named = self.module.named_buffers()
        return {name: buffer for name, buffer in named if not buffer.is_floating_point()}

    @property
    def num_elements(self) -> int:
        """P, the number of float32 values that travel."""
        return self.values.numel()


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
