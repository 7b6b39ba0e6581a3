"""A task: the model to train, the data to train it on, and how it is judged."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset, TensorDataset, default_collate

from adsp_mpi.errors import AdspError, UsageError

Batch = Any
Data = Dataset | Sequence[torch.Tensor]

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def cross_entropy(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of a batch (inputs, class indices)."""
    inputs, classes = batch
    return functional.cross_entropy(model(inputs), classes)


def accuracy(model: nn.Module, batch: Batch) -> dict[str, float]:
    """Share of right classes in a batch (inputs, class indices), and the mean loss."""
    inputs, classes = batch
    outputs = model(inputs)
    right = (outputs.argmax(dim=1) == classes).float().mean()
    return {"accuracy": right.item(), "loss": functional.cross_entropy(outputs, classes).item()}


@dataclass
class Task:
    """What is trained.

    `make_model()` gives a new float32 module; rank 0's is the one that training starts from.
    `train_data` and `test_data` are a tuple of tensors with one sample per first index, or a
    torch Dataset with a length; every rank loads the same, and trains on its own part. With
    `train.partition = "own"` each rank's data are its own instead: a file of the same name on
    each host, or what a factory picks by its rank, from mpi4py (`MPI.COMM_WORLD.rank`) or the
    launcher's environment (`PMI_RANK`, `OMPI_COMM_WORLD_RANK`, `SLURM_PROCID`). Rank 0 is the
    server: all evaluations are on its data.
    `loss(model, batch)` is the mean loss of a batch, a scalar tensor; `metrics(model, batch)`
    gives numbers to report about held-out data, means over the batch. Without test data there
    are no such numbers. Raises UsageError for data that cannot be indexed and for a `make_model`,
    `loss` or `metrics` that cannot be called.
    """

    make_model: Callable[[], nn.Module]
    train_data: Any
    test_data: Any
    loss: Callable[[nn.Module, Batch], torch.Tensor] = cross_entropy
    metrics: Callable[[nn.Module, Batch], dict[str, float]] = accuracy
    name: str = field(default="")

    def __post_init__(self) -> None:
        for name in ("make_model", "loss", "metrics"):
            if not callable(getattr(self, name)):
                kind = type(getattr(self, name)).__name__
                raise UsageError(f"the task's {name} must be a function, not {kind}")
        self.train_data = as_dataset(self.train_data)
        self.test_data = as_dataset(self.test_data)


def as_dataset(data: Data) -> Dataset:
    """Tensors as a TensorDataset; a Dataset as it is. UsageError for anything else."""
    if isinstance(data, (tuple, list)) and all(isinstance(t, torch.Tensor) for t in data):
        if len({len(t) for t in data}) != 1:
            raise UsageError(f"data tensors of different lengths: {[len(t) for t in data]}")
        return TensorDataset(*data)
    if isinstance(data, Dataset) and hasattr(data, "__len__"):
        return data
    raise UsageError(
        f"data must be a tuple of tensors or a torch Dataset with a length, not {type(data)}"
    )


def data_length(data: Dataset) -> int:
    """Number of samples."""
    return len(data)  # type: ignore[arg-type]


def notes_on(task: Task) -> Sequence[str]:
    """What the user should know about the task before the run, a line each."""
    return [] if data_length(task.test_data) else ["no test data: no test metrics"]


def checked_loss(loss: object) -> torch.Tensor:
    """What a task's `loss` returned, a scalar float tensor; AdspError for anything else."""
    wanted = "the task's loss must be a scalar tensor, the mean over the batch"
    if not isinstance(loss, torch.Tensor):
        hint = " (is a return missing?)" if loss is None else ""
        raise AdspError(f"{wanted}; it is of type {type(loss).__name__}{hint}")
    if loss.dim() or not loss.is_floating_point():
        raise AdspError(f"{wanted}; it is a {loss.dtype} of shape {list(loss.shape)}")
    return loss


def checked_metrics(metrics: object) -> dict[str, float]:
    """What a task's `metrics` returned, numbers by name; AdspError for anything else."""
    wanted = "the task's metrics must return a dict of numbers"
    if not isinstance(metrics, dict):
        hint = " (is a return missing?)" if metrics is None else ""
        raise AdspError(f"{wanted}; it returned a {type(metrics).__name__}{hint}")
    found = {}
    for name, value in metrics.items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError, RuntimeError):
            kind = type(value).__name__
            shape = f" of shape {list(value.shape)}" if hasattr(value, "shape") else ""
            raise AdspError(f"{wanted}; {name!r} is a {kind}{shape}") from None
    return found


def labels_of(data: Dataset) -> np.ndarray | None:
    """The labels int64[N] of tensor data whose last tensor holds one integer a sample, or None."""
    last = data.tensors[-1] if isinstance(data, TensorDataset) else None
    if last is None or last.dim() != 1 or last.dtype not in INTEGERS:
        return None
    return last.cpu().numpy().astype(np.int64)


def data_lines(data: Dataset) -> list[str]:
    """Number of samples and, where `labels_of` finds some, a digest of the labels, as text."""
    labels = labels_of(data)
    lines = [f"{data_length(data)} training samples"]
    if labels is not None:
        lines.append(f"labels with digest {hashlib.sha256(labels.tobytes()).hexdigest()[:16]}")
    return lines


def gather_batch(data: Dataset, indices: torch.Tensor, device: torch.device) -> Batch:
    """The samples at `indices`, int64[B], as one batch on `device`."""
    if isinstance(data, TensorDataset):
        batch = tuple(tensor[indices] for tensor in data.tensors)
    else:
        batch = default_collate([data[i] for i in indices.tolist()])
    return move(batch, device)


def move(batch: Batch, device: torch.device) -> Batch:
    """A batch, or a nest of tuples, lists and dicts of tensors, on `device`."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {key: move(value, device) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return tuple(move(value, device) for value in batch)
    return batch
