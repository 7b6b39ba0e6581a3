"""Batches of a task's data."""

from typing import Any

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
    """Move a batch, any nesting of tuples, lists and dicts of tensors, to `device`."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return tuple(move(value, device) for value in batch)
    return batch
