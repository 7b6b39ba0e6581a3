"""How batches of a task's data are read: when they are needed, or ahead in loader processes."""

from typing import Iterator, Protocol, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from adsp_mpi.learn.batch import Batch, gather_batch, in_memory, move
from adsp_mpi.learn.loader import READ_BY_EACH, make_loader
from adsp_mpi.learn.sample_order import Order
from adsp_mpi.learn.task import Task

Part = tuple[int, Batch]
"""A number of samples, and the batch of them on the device that trains."""


class Reading(Protocol):
    """Reads a worker's training data in its order."""

    def parts(self, batch_size: int) -> Iterator[Part]:
        """The next mini-batch in the parts that are computed one by one; all must be taken."""

    def close(self) -> None:
        """End its processes; nothing is read after that."""


class ReadHere:
    """Reads a mini-batch when it is needed, in this process; `parts` of it one by one."""

    def __init__(self, task: Task, order: Order, device: torch.device, parts: int) -> None:
        self._task = task
        self._order = order
        self._device = device
        self._parts = parts

    def parts(self, batch_size: int) -> Iterator[Part]:
        task, indices = self._task, self._order.next_indices(batch_size)
        return read_here(task, task.train_data, in_parts(indices, self._parts), self._device)

    def close(self) -> None: ...


class ReadAhead:
    """Lets `loaders` processes read the mini-batches to come while steps are computed.

    Their random numbers come from `seed`, so that those of the training process are the same
    without them. What is read and not trained on does not count as done in the order.
    """

    def __init__(
        self, task: Task, order: Order, device: torch.device, parts: int, loaders: int, seed: int
    ) -> None:
        self._order = order
        self._device = device
        self._to_come = PartsToCome(order, parts, ahead=READ_BY_EACH * loaders / parts)
        data = task.train_data
        self._loader: DataLoader | None = make_loader(
            task, data, self._to_come, device, loaders, seed, persistent=True
        )
        self._batches: Iterator[Batch] = iter(())

    def parts(self, batch_size: int) -> Iterator[Part]:
        to_come = self._to_come
        if batch_size != to_come.batch_size:
            assert self._loader is not None
            to_come.batch_size = batch_size
            self._batches = iter(self._loader)  # reads samples anew that are not done
        for samples in to_come.sizes():
            yield samples, move(next(self._batches), self._device)
        self._order.done(batch_size)

    def close(self) -> None:
        end = getattr(self._batches, "_shutdown_workers", None)
        self._loader, self._batches = None, iter(())
        if end:  # else the processes would last as long as the traceback of an error in them
            end()


class PartsToCome(Sampler[list[int]]):
    """The samples of each part of the mini-batches to come, without end."""

    def __init__(self, order: Order, parts: int, ahead: float) -> None:
        self.batch_size = 0
        self._order, self._parts, self._ahead = order, parts, ahead

    def __iter__(self) -> Iterator[list[int]]:
        for indices in self._order.read(self.batch_size, self._ahead):
            for part in in_parts(indices, self._parts):
                yield part.tolist()

    def sizes(self) -> list[int]:
        """The number of samples of each part of a mini-batch."""
        return [len(part) for part in in_parts(np.arange(self.batch_size), self._parts)]


def read_training_data(
    task: Task, order: Order, device: torch.device, parts: int, loaders: int, steps: int
) -> Reading:
    """Begin to read a worker's training data, after `steps` steps.

    Tensors are read here, since to send them from one process to another would take longer.
    """
    if not loaders or in_memory(task.train_data, task.collate):
        return ReadHere(task, order, device, parts)
    seed = int(np.random.default_rng([torch.initial_seed(), steps, 0x10AD]).integers(1 << 62))
    return ReadAhead(task, order, device, parts, loaders, seed)


class FixedBatches:
    """Batches of the same samples of `data`, those of each of `parts`, for every evaluation.

    Of tensors they are on the device from the start. A Dataset is read whenever they are gone
    through, by `loaders` processes if there are any, whose random numbers come from `seed`.
    """

    def __init__(
        self,
        task: Task,
        data: Dataset,
        parts: Sequence[np.ndarray],
        device: torch.device,
        loaders: int,
        seed: int,
    ) -> None:
        self._task, self._data, self._parts = task, data, parts
        self._device, self._loaders, self._seed = device, loaders, seed
        self._kept = list(self._read()) if in_memory(data, task.collate) else []

    def __iter__(self) -> Iterator[Part]:
        if self._kept:
            return iter(self._kept)
        return self._read_ahead() if self._loaders and self._parts else self._read()

    def _read(self) -> Iterator[Part]:
        return read_here(self._task, self._data, self._parts, self._device)

    def _read_ahead(self) -> Iterator[Part]:
        """The processes are there as long as it takes: rank 0 evaluates now and then."""
        lists, loaders = [part.tolist() for part in self._parts], self._loaders
        args = self._task, self._data, lists, self._device, loaders, self._seed
        for samples, batch in zip(lists, make_loader(*args, persistent=False), strict=True):
            yield len(samples), move(batch, self._device)


def read_here(
    task: Task, data: Dataset, parts: Sequence[np.ndarray], device: torch.device
) -> Iterator[Part]:
    """Read a batch of the samples of each part, int64, when it is asked for."""
    for part in parts:
        yield len(part), gather_batch(data, torch.from_numpy(part), device, task.collate)


def in_parts(indices: np.ndarray, parts: int) -> Sequence[np.ndarray]:
    """Divide the samples of a mini-batch into `parts`, or as many as there are samples."""
    number = min(parts, len(indices))
    return [indices] if number == 1 else np.array_split(indices, number)
