"""A task: the model to train, its data, its loss and its metrics."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import Dataset, TensorDataset

from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.batch import Batch, Collate
from adsp_mpi.learn.metric import accumulates

Data = Dataset | Sequence[torch.Tensor]

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def cross_entropy(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy of a batch (inputs, class indices)."""
    inputs, classes = batch
    return functional.cross_entropy(model(inputs), classes)


def accuracy(model: nn.Module, batch: Batch) -> dict[str, float]:
    """Accuracy on a batch (inputs, class indices), and the mean loss."""
    inputs, classes = batch
    outputs = model(inputs)
    right = (outputs.argmax(dim=1) == classes).float().mean()
    return {"accuracy": right.item(), "loss": functional.cross_entropy(outputs, classes).item()}


@dataclass
class Task:
    """A model, its training and test data, its loss and its metrics.

    `make_model()` returns a new float32 module; training starts from rank 0's. `train_data` and
    `test_data` are a tuple of tensors indexed by sample, or a torch Dataset with a length. Every
    rank loads the same data and trains on its share. With `train.partition = "own"` each rank
    loads its own data instead: a file of the same name on each host, or whatever the factory
    chooses by its rank, from mpi4py (`MPI.COMM_WORLD.rank`) or the launcher's environment
    (`PMI_RANK`, `OMPI_COMM_WORLD_RANK`, `SLURM_PROCID`). All evaluations use the data of rank 0.
    `loss(model, batch)` returns the mean loss of a batch, a scalar tensor; `metrics(model, batch)`
    returns a dict of numbers about a batch of test data, means over the batch. A metric that is no
    mean, such as F1, is given as an object that was updated with the batch and has `compute` and
    `reset`, as in torchmetrics.
    Without test data there are no metrics but the loss.

    `collate(samples)` makes a batch of a list of samples, such as one of padded sequences of
    different lengths; without it torch's `default_collate` does, and of tensors a batch is a tuple.

    `optimizer(parameters)` returns a torch optimizer of a list of the trained parameters; without
    it `[train]` says what the local step is. `scheduler(optimizer)` returns a learning-rate
    scheduler. It takes 1000 steps over the run, by the run's progress: so it is at the same point
    on fast and slow workers.

    Raises UsageError for data that cannot be indexed and for what should be a function and is not.
    """

    make_model: Callable[[], nn.Module]
    train_data: Any
    test_data: Any
    loss: Callable[[nn.Module, Batch], torch.Tensor] = cross_entropy
    metrics: Callable[[nn.Module, Batch], dict[str, float]] = accuracy
    name: str = field(default="")
    optimizer: Callable[[list[nn.Parameter]], Optimizer] | None = None
    scheduler: Callable[[Optimizer], LRScheduler] | None = None
    collate: Collate | None = None

    def __post_init__(self) -> None:
        names = ["make_model", "loss", "metrics"]
        names += [n for n in ("optimizer", "scheduler", "collate") if getattr(self, n) is not None]
        for name in names:
            if not callable(getattr(self, name)):
                kind = type(getattr(self, name)).__name__
                raise UsageError(f"the task's {name} must be a function, not {kind}")
        self.train_data = as_dataset(self.train_data)
        self.test_data = as_dataset(self.test_data)


def as_dataset(data: Data) -> Dataset:
    """Wrap tensors in a TensorDataset, return a Dataset as it is; UsageError for anything else."""
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
    """The number of samples."""
    return len(data)  # type: ignore[arg-type]


def notes_on(task: Task) -> Sequence[str]:
    """Lines about the task that the user should see before the run."""
    return [] if data_length(task.test_data) else ["no test data: no test metrics"]


def checked_loss(loss: object) -> torch.Tensor:
    """Return what a task's `loss` gave; AdspError unless it is a scalar float tensor."""
    wanted = "the task's loss must be a scalar tensor, the mean over the batch"
    if not isinstance(loss, torch.Tensor):
        hint = " (is a return missing?)" if loss is None else ""
        raise AdspError(f"{wanted}; it is of type {type(loss).__name__}{hint}")
    if loss.dim() or not loss.is_floating_point():
        raise AdspError(f"{wanted}; it is a {loss.dtype} of shape {list(loss.shape)}")
    return loss


def checked_metrics(metrics: object) -> dict[str, Any]:
    """Return what a task's `metrics` gave: floats, and metrics that accumulate, as they are.

    Raises AdspError unless it is a dict of numbers and such metrics.
    """
    wanted = "the task's metrics must return a dict of numbers"
    if not isinstance(metrics, dict):
        hint = " (is a return missing?)" if metrics is None else ""
        raise AdspError(f"{wanted}; it returned a {type(metrics).__name__}{hint}")
    found = {}
    for name, value in metrics.items():
        try:
            found[str(name)] = value if accumulates(value) else float(value)
        except (TypeError, ValueError, RuntimeError):
            kind = type(value).__name__
            shape = f" of shape {list(value.shape)}" if hasattr(value, "shape") else ""
            raise AdspError(f"{wanted}; {name!r} is a {kind}{shape}") from None
    return found


def labels_of(data: Dataset) -> np.ndarray | None:
    """The labels, int64[N], if the last data tensor has one integer per sample, else None."""
    last = data.tensors[-1] if isinstance(data, TensorDataset) else None
    if last is None or last.dim() != 1 or last.dtype not in INTEGERS:
        return None
    return last.cpu().numpy().astype(np.int64)


def data_lines(data: Dataset) -> list[str]:
    """The number of samples and, if there are labels, a digest of them: what ranks must share."""
    labels = labels_of(data)
    lines = [f"{data_length(data)} training samples"]
    if labels is not None:
        lines.append(f"labels with digest {hashlib.sha256(labels.tobytes()).hexdigest()[:16]}")
    return lines
