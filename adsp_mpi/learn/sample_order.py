"""Orders of the samples: one common to all workers, and those of single ones."""

from typing import Any, Iterator

import numpy as np

from adsp_mpi.core.dealing import Hand

BATCHES_AT_ONCE = 8
"""A worker takes the samples of this many mini-batches at once, unless the dataset is small."""

PARTS_OF_A_PASS = 4
"""A worker takes its samples of a pass in at least this many parts."""


def batches_at_once(num_samples: int, batch_size: int, workers: int, ahead: float = 0) -> int:
    """The number of mini-batches whose samples a worker takes at once, if all are equally fast.

    A worker that reads `ahead` mini-batches ahead takes at least half as many, so that its row of
    the board has room for all that it holds.
    """
    in_a_pass = num_samples // (batch_size * workers)
    return max(1, int(ahead // 2), min(BATCHES_AT_ONCE, in_a_pass // PARTS_OF_A_PASS))


class SampleOrder:
    """Pass after pass over `num_samples` samples, each pass shuffled anew from `seed`, or not."""

    def __init__(self, num_samples: int, seed: int, shuffled: bool = True) -> None:
        self.num_samples = num_samples
        self._seed = seed
        self._shuffled = shuffled
        self._passes: dict[int, np.ndarray] = {}

    def sample(self, position: int) -> int:
        """The index of the sample at `position`, the same on every rank."""
        number, place = divmod(position, self.num_samples)
        return int(self._pass(number)[place]) if self._shuffled else place

    def samples(self, position: int, count: int) -> np.ndarray:
        """The indices of the samples at `count` positions from `position` on, int64[count]."""
        parts = []
        while count:
            number, place = divmod(position, self.num_samples)
            size = min(count, self.num_samples - place)
            parts.append(
                self._pass(number)[place : place + size]
                if self._shuffled
                else np.arange(place, place + size)
            )
            position, count = position + size, count - size
        return np.concatenate(parts).astype(np.int64)

    def _pass(self, number: int) -> np.ndarray:
        """The order of a pass, int[num_samples]; those of the last two are kept."""
        if number not in self._passes:
            if len(self._passes) == 2:
                del self._passes[min(self._passes)]
            kind = np.int32 if self.num_samples < 1 << 31 else np.int64
            order = np.arange(self.num_samples, dtype=kind)
            np.random.default_rng([self._seed, 0xDEA1, number]).shuffle(order)
            self._passes[number] = order
        return self._passes[number]


class BatchOrder:
    """The order in which a worker sees its samples: shuffled anew for each pass.

    Whoever trains on samples at once calls `next_indices`; whoever reads them ahead calls `read`,
    and `done` when they have been trained on.
    """

    def __init__(self, indices: np.ndarray, generator: np.random.Generator) -> None:
        self._indices = indices
        self._generator = generator
        self._ahead = generator.permutation(indices)
        self._read = 0  # samples of `_ahead` that are read and not done

    def next_indices(self, batch_size: int) -> np.ndarray:
        """The samples of the next mini-batch, int64[batch_size]; it may span two passes."""
        batch = self._up_to(batch_size)
        self._ahead = self._ahead[batch_size:]
        return batch

    def read(self, batch_size: int, ahead: float) -> Iterator[np.ndarray]:
        """The samples of all mini-batches to come, int64[batch_size], from the first not done.

        `ahead` is the number of mini-batches that are read before the first of them is done.
        """
        self._read = 0
        while True:
            batch = self._up_to(self._read + batch_size)[self._read :]
            self._read += batch_size
            yield batch

    def done(self, samples: int) -> None:
        """The next `samples` that were read are trained on."""
        self._ahead = self._ahead[samples:]
        self._read -= samples

    def _up_to(self, samples: int) -> np.ndarray:
        """The next `samples` that are not done, int64[samples]."""
        while len(self._ahead) < samples:
            more = self._generator.permutation(self._indices)
            self._ahead = np.concatenate([self._ahead, more])
        return self._ahead[:samples]

    def state_dict(self) -> dict[str, Any]:
        """Which samples come after those done, for another order of the same indices."""
        return {"ahead": self._ahead, "generator": self._generator.bit_generator.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with the samples that came next when `state` was taken."""
        self._ahead = state["ahead"]
        self._generator.bit_generator.state = state["generator"]


class DealtOrder:
    """The order in which a worker sees samples that are dealt to all workers together.

    Its methods are those of `BatchOrder`.
    """

    def __init__(self, num_samples: int, num_workers: int, seed: int) -> None:
        self.hand = Hand()
        self._num_samples, self._num_workers = num_samples, num_workers
        self._order = SampleOrder(num_samples, seed)

    def next_indices(self, batch_size: int) -> np.ndarray:
        """The samples of the next mini-batch, int64[batch_size]."""
        at_once = batches_at_once(self._num_samples, batch_size, self._num_workers)
        ranges = self.hand.take(batch_size, want=at_once * batch_size)
        return np.concatenate([self._order.samples(first, size) for first, size in ranges])

    def read(self, batch_size: int, ahead: float) -> Iterator[np.ndarray]:
        workers = self._num_workers
        at_once = batches_at_once(self._num_samples, batch_size, workers, ahead)
        positions = self.hand.positions(want=at_once * batch_size)
        while True:
            yield np.array([self._order.sample(next(positions)) for _ in range(batch_size)])

    def done(self, samples: int) -> None:
        self.hand.done(samples)

    def state_dict(self) -> dict[str, Any]:
        return self.hand.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.hand.load_state_dict(state)


Order = BatchOrder | DealtOrder
