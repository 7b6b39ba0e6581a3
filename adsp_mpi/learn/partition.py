"""Which samples each worker trains on."""

import numpy as np

from adsp_mpi.errors import UsageError


def iid(num_samples: int, num_workers: int, seed: int) -> list[np.ndarray]:
    """Shuffled and dealt evenly: int64 index arrays, disjoint, complete, sizes within one.

    Raises UsageError when there are fewer samples than workers.
    """
    if num_samples < num_workers:
        raise UsageError(f"{num_samples} training samples are too few for {num_workers} workers")
    order = np.random.default_rng([seed, 0x5917]).permutation(num_samples)
    return [np.sort(part) for part in np.array_split(order, num_workers)]
