"""Tensors of a module that are views of one vector, whatever the code that trains does to them."""

from typing import Sequence

import torch
from torch import nn

from adsp_mpi.errors import AdspError


class Views:
    """Brings parameters and buffers back that were given other memory since they were placed.

    A training step may do that: `parameter.data = ...`, as in SAM, in vector_to_parameters and in
    an RNN's flatten_parameters, or `self.mean = ...` for a buffer. What they hold now is kept.
    """

    def __init__(self, module: nn.Module, tensors: Sequence[torch.Tensor]) -> None:
        """`tensors` are those of `module` to look after, at the places that they now have."""
        named = [*module.named_parameters(), *module.named_buffers()]
        names = {id(tensor): name for name, tensor in named}
        self._placed = [(t, t.data_ptr(), t.detach(), names[id(t)]) for t in tensors]
        ids = {id(tensor) for tensor in tensors}
        self._buffers = [
            (owner._buffers, key, buffer, names[id(buffer)])
            for owner in module.modules()
            for key, buffer in owner._buffers.items()
            if buffer is not None and id(buffer) in ids
        ]

    def restore(self, keep: bool) -> None:
        """Bring all back to their places; with `keep` their values come along.

        Raises AdspError for a tensor whose type, shape or device has changed.
        """
        for owned, key, buffer, name in self._buffers:
            if (now := owned[key]) is not buffer and now is not None:
                _require_alike(now, buffer, name)
                if keep:
                    buffer.detach().copy_(now.detach())
                owned[key] = buffer
        for tensor, address, view, name in self._placed:
            if tensor.data_ptr() != address:
                _require_alike(tensor, view, name)
                if keep:
                    view.copy_(tensor.detach())
                tensor.data = view


def _require_alike(now: torch.Tensor, before: torch.Tensor, name: str) -> None:
    if (now.dtype, now.shape, now.device) != (before.dtype, before.shape, before.device):
        was, is_now = (
            f"{str(t.dtype).removeprefix('torch.')}{list(t.shape)} on {t.device}"
            for t in (before, now)
        )
        raise AdspError(
            f"{name} was {was} at join and is {is_now} now: bring the model into its shape, type "
            "and device before join"
        )
