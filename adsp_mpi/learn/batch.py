"""Batches of a task's data."""

from copy import copy
from typing import Any, Callable, Mapping, MutableMapping, TypeGuard

import torch
from torch.utils.data import Dataset, TensorDataset, default_collate

Batch = Any

Collate = Callable[[list[Any]], Batch]
"""Makes a batch of a list of samples."""


def gather_batch(
    data: Dataset, indices: torch.Tensor, device: torch.device, collate: Collate | None = None
) -> Batch:
    """The samples at `indices`, int64[B], as one batch on `device`.

    Without `collate` by torch's default; of a TensorDataset it is then a tuple of tensors.
    """
    if in_memory(data, collate):
        batch = tuple(tensor[indices] for tensor in data.tensors)
    else:
        batch = (collate or default_collate)(samples_at(data, indices.tolist()))
    return move(batch, device)


def in_memory(data: Dataset, collate: Collate | None) -> TypeGuard[TensorDataset]:
    """Whether batches are taken out of tensors, without a look at single samples."""
    plain = isinstance(data, TensorDataset) and type(data).__getitem__ is TensorDataset.__getitem__
    return plain and collate is None


def samples_at(data: Any, indices: list[int]) -> list[Any]:
    """These samples of a dataset; one with `__getitems__` is asked for all of them at once."""
    if callable(at_once := getattr(data, "__getitems__", None)):
        samples: list[Any] = at_once(indices)
        return samples
    return [data[i] for i in indices]


def move(batch: Batch, device: torch.device) -> Batch:
    """Move a batch, any nesting of tuples, lists and mappings of tensors, to `device`.

    They keep their types: named tuples, UserDicts, and mappings of other kinds that can be copied
    and updated; others become dicts. Whatever else has a method `to`, as tensors have, is moved by
    it; the rest stays as it is.
    """
    if isinstance(batch, Mapping):
        return _mapping_like(batch, {key: move(value, device) for key, value in batch.items()})
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=device.type == "cuda")
    if callable(getattr(batch, "to", None)):  # before tuples: a PackedSequence is one
        return batch.to(device)
    if isinstance(batch, (tuple, list)):
        moved = [move(value, device) for value in batch]
        named = hasattr(batch, "_fields")
        return type(batch)(*moved) if named else type(batch)(moved)
    return batch


def _mapping_like(mapping: Mapping[Any, Any], values: dict[Any, Any]) -> Mapping[Any, Any]:
    """A mapping of the type of `mapping`, and what else it holds, with these values."""
    if not isinstance(mapping, MutableMapping):
        return values
    clone = copy(mapping)
    clone.update(values)
    return clone
