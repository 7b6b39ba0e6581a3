"""A worker's part of a dataset of any usual kind."""

from itertools import islice
from typing import Any, Iterator

from torch.utils.data import Dataset, IterableDataset, get_worker_info

from adsp_mpi.errors import UsageError
from adsp_mpi.own_loop.dealt import WholeSet
from adsp_mpi.own_loop.host import Host


def sharded(dataset: Any, host: Host, fixed: bool) -> Any:
    """The part of `dataset` for the worker on `host`; UsageError if it cannot be divided."""
    if hasattr(dataset, "shard") and not isinstance(dataset, IterableDataset):
        share, shares = host.share
        return dataset.shard(num_shards=shares, index=share)
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return Shard(dataset, host) if fixed else WholeSet(dataset, host.index, host.workers)
    if hasattr(dataset, "__iter__"):
        return IterableShard(dataset, host)
    raise UsageError(
        f"run.shard: {type(dataset).__name__} has neither __getitem__ and __len__ nor __iter__"
    )


class Shard(Dataset):
    """Every M-th sample of a map-style dataset; the samples are looked up when they are asked for.

    A spare that takes a lost worker's place has that one's share from its next pass on.
    """

    def __init__(self, dataset: Any, host: Host) -> None:
        self.dataset = dataset
        self._host = host

    def __len__(self) -> int:
        share, shares = self._host.share
        return len(range(share, len(self.dataset), shares))

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        share, shares = self._host.share
        return self.dataset[share + shares * (index % len(self))]

    def __getstate__(self) -> dict[str, Any]:
        """For the processes of a DataLoader, which have the share as it is now."""
        return {"dataset": self.dataset, "_host": _Fixed(self._host.share)}


class IterableShard(IterableDataset):
    """Every M-th item of an iterable, divided again among the processes of a DataLoader."""

    def __init__(self, dataset: Any, host: Host) -> None:
        self.dataset = dataset
        self._host = host

    def __iter__(self) -> Iterator[Any]:
        share, shares = self._host.share
        loader = get_worker_info()
        if loader is not None:
            share, shares = share + shares * loader.id, shares * loader.num_workers
        return islice(iter(self.dataset), share, None, shares)


class _Fixed:
    """A host of which only the share is known."""

    def __init__(self, share: tuple[int, int]) -> None:
        self.share = share
