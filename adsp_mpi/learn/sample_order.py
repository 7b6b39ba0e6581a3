"""The common order of the samples: what each position of it stands for."""

import numpy as np

BATCHES_AT_ONCE = 8
"""A worker takes the samples of this many mini-batches at once, unless the dataset is small."""

PARTS_OF_A_PASS = 4
"""A worker takes its samples of a pass in at least this many parts."""


def batches_at_once(num_samples: int, batch_size: int, workers: int) -> int:
    """The number of mini-batches whose samples a worker takes at once, if all are equally fast."""
    in_a_pass = num_samples // (batch_size * workers)
    return max(1, min(BATCHES_AT_ONCE, in_a_pass // PARTS_OF_A_PASS))


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
