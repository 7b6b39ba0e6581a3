"""Which samples each worker trains on."""

from collections import Counter

import numpy as np

from adsp_mpi.errors import UsageError

KINDS = ("iid", "dirichlet:ALPHA", "blocks", "own")
MAX_ALPHA = 1e6


def make_partition(
    spec: str, labels: np.ndarray | None, num_samples: int, num_workers: int, seed: int
) -> list[np.ndarray]:
    """Each worker's samples as `spec` (see `KINDS`) deals them: sorted int64 index arrays.

    `labels`, int64[num_samples], are those that `dirichlet` goes by. Raises UsageError for a bad
    spec, for `dirichlet` without labels, and when there are fewer samples than workers.
    """
    kind, alpha = parse_partition(spec)
    if kind == "own":
        return own(num_samples, num_workers)
    if kind == "blocks":
        return blocks(num_samples, num_workers)
    if kind == "iid":
        return iid(num_samples, num_workers, seed)
    if labels is None:
        raise UsageError(
            f"train.partition = {spec!r} deals samples by label, and this task's data has none: "
            "its last tensor must hold one integer per sample"
        )
    return dirichlet(labels, num_workers, alpha, seed)


def parse_partition(spec: str) -> tuple[str, float]:
    """The kind and its ALPHA, 0.0 where it has none; UsageError names the kinds there are."""
    kind, _, text = spec.partition(":")
    if spec in KINDS and not text:
        return kind, 0.0
    try:
        alpha = float(text)
    except ValueError:
        alpha = 0.0
    if kind != "dirichlet" or not 0 < alpha <= MAX_ALPHA:
        raise UsageError(
            f"train.partition = {spec!r}: there are {', '.join(KINDS)}, "
            f"with ALPHA a number above 0 and at most {MAX_ALPHA:g}"
        )
    return kind, alpha


def iid(num_samples: int, num_workers: int, seed: int) -> list[np.ndarray]:
    """Shuffled and dealt evenly: int64 index arrays, disjoint, complete, sizes within one.

    Raises UsageError when there are fewer samples than workers.
    """
    _require_enough(num_samples, num_workers)
    order = np.random.default_rng([seed, 0x5917]).permutation(num_samples)
    return [np.sort(part) for part in np.array_split(order, num_workers)]


def blocks(num_samples: int, num_workers: int) -> list[np.ndarray]:
    """One run of neighbours each, in order: disjoint, complete, sizes within one.

    Raises UsageError when there are fewer samples than workers.
    """
    _require_enough(num_samples, num_workers)
    return np.array_split(np.arange(num_samples), num_workers)


def own(num_samples: int, num_workers: int) -> list[np.ndarray]:
    """Every worker takes all the samples that its own rank has loaded; UsageError for none."""
    _require_enough(num_samples, 1)
    return [np.arange(num_samples) for _ in range(num_workers)]


def dirichlet(labels: np.ndarray, num_workers: int, alpha: float, seed: int) -> list[np.ndarray]:
    """Skewed by label: each label's samples are dealt in shares drawn from Dirichlet(alpha).

    The usual non-iid split of federated learning (Hsu, Qi, Brown 2019, arXiv 1909.06335, there
    with the roles of label and worker exchanged): a small alpha leaves each label to one worker,
    a large one deals all labels evenly. Disjoint, complete; a worker that draws nothing gets one
    sample from the worker that has most. Raises UsageError for fewer samples than workers.
    """
    _require_enough(len(labels), num_workers)
    generator = np.random.default_rng([seed, 0xD161])
    dealt: list[list[np.ndarray]] = [[] for _ in range(num_workers)]
    for label in np.unique(labels):
        samples = generator.permutation(np.flatnonzero(labels == label))
        shares = generator.dirichlet(np.full(num_workers, alpha))
        ends = np.rint(np.cumsum(shares)[:-1] * len(samples)).astype(np.int64)
        for pieces, piece in zip(dealt, np.split(samples, ends), strict=True):
            pieces.append(piece)
    parts = [np.concatenate(pieces) for pieces in dealt]
    for worker in range(num_workers):
        if not len(parts[worker]):
            richest = max(range(num_workers), key=lambda other: len(parts[other]))
            parts[worker], parts[richest] = np.split(parts[richest], [1])
    return [np.sort(part) for part in parts]


def label_histogram(labels: np.ndarray, indices: np.ndarray) -> dict[int, int]:
    """How many of the samples at `indices` have each label, of those that occur, in order."""
    return dict(sorted(Counter(labels[indices].tolist()).items()))


def _require_enough(num_samples: int, num_workers: int) -> None:
    if num_samples < num_workers:
        raise UsageError(f"{num_samples} training samples are too few for {num_workers} workers")
