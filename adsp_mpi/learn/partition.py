"""How the training samples are divided among the workers."""

from collections import Counter

import numpy as np

from adsp_mpi.errors import UsageError

SHARED = "shared"
KINDS = (SHARED, "iid", "dirichlet:ALPHA", "blocks", "own")
MAX_ALPHA = 1e6


def make_partition(
    spec: str, labels: np.ndarray | None, num_samples: int, num_workers: int, seed: int
) -> list[np.ndarray]:
    """Divide the samples as `spec` says (see `KINDS`): a sorted int64 index array per worker.

    `labels`, int64[num_samples], are needed for `dirichlet` only. Raises UsageError for a bad
    spec, for `dirichlet` without labels, and when there are fewer samples than workers.
    """
    kind, alpha = parse_partition(spec)
    if kind in ("own", SHARED):
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
    """Split a spec into its kind and its ALPHA, 0.0 if it has none; UsageError lists the kinds."""
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
    """Shuffle and divide evenly: disjoint, complete int64 index arrays, sizes within one.

    Raises UsageError when there are fewer samples than workers.
    """
    _require_enough(num_samples, num_workers)
    order = np.random.default_rng([seed, 0x5917]).permutation(num_samples)
    return [np.sort(part) for part in np.array_split(order, num_workers)]


def blocks(num_samples: int, num_workers: int) -> list[np.ndarray]:
    """Give each worker one contiguous block: disjoint, complete, sizes within one.

    Raises UsageError when there are fewer samples than workers.
    """
    _require_enough(num_samples, num_workers)
    return np.array_split(np.arange(num_samples), num_workers)


def own(num_samples: int, num_workers: int) -> list[np.ndarray]:
    """Give every worker all samples that its own rank has loaded; UsageError if there are none.

    So also for `shared`, where the samples are dealt as workers need them.
    """
    _require_enough(num_samples, 1)
    return [np.arange(num_samples) for _ in range(num_workers)]


def dirichlet(labels: np.ndarray, num_workers: int, alpha: float, seed: int) -> list[np.ndarray]:
    """Divide each label's samples in proportions drawn from Dirichlet(alpha).

    The usual non-iid split of federated learning (Hsu, Qi, Brown 2019, arXiv 1909.06335, with
    the roles of label and worker exchanged): a small alpha gives each label to few workers, a
    large one divides all labels evenly. Disjoint and complete; a worker that draws no sample gets
    one from the worker with the most. Raises UsageError for fewer samples than workers.
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
    """The number of samples at `indices` by label, in order of the labels that occur."""
    return dict(sorted(Counter(labels[indices].tolist()).items()))


def _require_enough(num_samples: int, num_workers: int) -> None:
    if num_samples < num_workers:
        raise UsageError(f"{num_samples} training samples are too few for {num_workers} workers")
