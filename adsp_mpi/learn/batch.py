"""Batches of a task's data."""

from copy import copy
from typing import Any, Mapping, MutableMapping

import torch
from torch.utils.data import Dataset, TensorDataset, default_collate

Batch = Any


def gather_batch(data: Dataset, indices: torch.Tensor, device: torch.device) -> Batch:
    """Collate the samples at `indices`, int64[B], into one batch on `device`."""
    if isinstance(data, TensorDataset):
        batch = tuple(tensor[indices] for tensor in data.tensors)
    else:
        batch = default_collate([data[i] for i in indices.tolist()])
    return move(batch, device)


def move(batch: Batch, device: torch.device) -> Batch:
    """Move a batch, any nesting of tuples, lists and mappings of tensors, to `device`.

    They keep their types: named tuples, UserDicts, and mappings of other kinds that can be copied
    and updated; others become dicts. Whatever else has a method `to`, as tensors have, is moved by
    it; the rest stays as it is.
    """
    if isinstance(batch, Mapping):
        return _mapping_like(batch, {key: move(value, device) for key, value in batch.items()})
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
