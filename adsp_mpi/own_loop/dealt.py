"""Loaders whose samples are dealt: each worker takes the next ones of an order common to all."""

from typing import Any, Iterable, Iterator

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
)

from adsp_mpi.core.dealing import Hand
from adsp_mpi.learn.sample_order import SampleOrder, batches_at_once


class WholeSet(Dataset):
    """All samples of a map-style dataset, beginning at another one on each worker.

    Whoever goes through it in order does not meet the same samples at the same time as others.
    """

    def __init__(self, dataset: Any, worker: int, workers: int) -> None:
        self.dataset = dataset
        self.first = len(dataset) * max(0, worker) // workers

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        size = len(self.dataset)
        if not -size <= index < size:
            raise IndexError(index)
        return self.dataset[(index + self.first) % size]

    def own_index(self, sample: int) -> int:
        """The index here of the dataset's `sample`."""
        return (sample - self.first) % len(self.dataset)


class DealtSampler(Sampler[int]):
    """Indices of a WholeSet as they are dealt to this worker, without end."""

    def __init__(self, data: WholeSet, order: SampleOrder, hand: Hand, want: int) -> None:
        self._data, self._order, self._hand, self._want = data, order, hand, want

    def __len__(self) -> int:
        """The samples of a pass, for the length of the loader."""
        return len(self._data)

    def __iter__(self) -> Iterator[int]:
        for position in self._hand.positions(self._want):
            yield self._data.own_index(self._order.sample(position))


def set_to_deal(loader: Any) -> Any:
    """The dataset whose samples can be dealt to `loader`; None if there is none."""
    data = loader.dataset if isinstance(loader, DataLoader) else loader
    return data.dataset if isinstance(data, WholeSet) else None


def deal(loader: Any, hand: Hand, seed: int, workers: int) -> tuple[int, Iterable[Any]]:
    """Let `loader` take its samples from `hand`; returns the samples of an item, and the items.

    The number is 0 if the loader chooses its samples in its own way: its dataset is no WholeSet, or
    its sampler is not one of those for `shuffle=True` and `shuffle=False`.
    """
    if isinstance(loader, WholeSet):
        order = SampleOrder(len(loader), seed, shuffled=False)
        return 1, map(loader.__getitem__, DealtSampler(loader, order, hand, want=1))
    return _deal_batches(loader, hand, seed, workers), loader


def _deal_batches(loader: Any, hand: Hand, seed: int, workers: int) -> int:
    if not (isinstance(loader, DataLoader) and isinstance(loader.dataset, WholeSet)):
        return 0
    batches = loader.batch_sampler
    sampler = loader.sampler if batches is None else getattr(batches, "sampler", None)
    if isinstance(sampler, DealtSampler):
        return loader.batch_size or 1
    if not _is_plain(sampler) or type(batches) not in (BatchSampler, type(None)):
        return 0
    data, size = loader.dataset, loader.batch_size or 1
    order = SampleOrder(len(data), seed, shuffled=isinstance(sampler, RandomSampler))
    ahead = loader.num_workers * (loader.prefetch_factor or 0)
    want = size * batches_at_once(len(data), size, workers, ahead)
    dealt = DealtSampler(data, order, hand, want)
    if batches is None:
        loader.__dict__["sampler"] = dealt
    else:
        batches.__dict__["sampler"] = dealt
    return size


def _is_plain(sampler: Any) -> bool:
    if type(sampler) is RandomSampler:
        return not sampler.replacement and sampler.num_samples == len(sampler.data_source)
    return type(sampler) is SequentialSampler
