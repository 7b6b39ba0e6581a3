"""Who trains on which samples."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset, TensorDataset

from adsp_mpi.cli import parse
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.partition import KINDS, dirichlet, label_histogram, make_partition
from adsp_mpi.learn.task import labels_of

SEEDS = st.integers(0, 10**6)
WORKERS = st.integers(1, 12)
LABELS = st.lists(st.integers(-2, 6), min_size=12, max_size=120).map(np.array)
ALPHAS = st.floats(1e-9, 1e6)


@given(LABELS, WORKERS, ALPHAS, SEEDS)
def test_parts_are_disjoint_complete_sorted_and_seeded(
    labels: np.ndarray, workers: int, alpha: float, seed: int
) -> None:
    for spec in ("iid", "blocks", f"dirichlet:{alpha!r}"):
        parts = make_partition(spec, labels, len(labels), workers, seed)
        assert len(parts) == workers and min(map(len, parts)) >= 1
        assert sorted(np.concatenate(parts)) == list(range(len(labels)))
        assert all((np.diff(part) > 0).all() and part.dtype == np.int64 for part in parts)
        again = make_partition(spec, labels, len(labels), workers, seed)
        assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


@given(LABELS, WORKERS, SEEDS)
def test_a_tiny_alpha_leaves_each_label_to_one_worker(
    labels: np.ndarray, workers: int, seed: int
) -> None:
    """One worker per label, and at most one more (label, worker) pair for each gift."""
    parts = dirichlet(labels, workers, 1e-9, seed)
    pairs = sum(len(label_histogram(labels, part)) for part in parts)
    num_labels = len(np.unique(labels))
    assert num_labels <= pairs <= num_labels + workers - 1


@given(st.lists(st.integers(36, 120), min_size=1, max_size=6), WORKERS, SEEDS)
def test_a_huge_alpha_deals_each_label_evenly(counts: list[int], workers: int, seed: int) -> None:
    """Both ends of a share are rounded; at least 3 samples a worker, so that none gets a gift."""
    labels = np.repeat(np.arange(len(counts)), counts)
    for part in dirichlet(labels, workers, 1e6, seed):
        dealt = np.bincount(labels[part], minlength=len(counts))
        assert (np.abs(dealt - np.array(counts) / workers) < 2).all()


def test_another_seed_deals_otherwise() -> None:
    labels = np.arange(200) % 10
    for spec in ("iid", "dirichlet:0.5"):
        first, second = (make_partition(spec, labels, 200, 4, seed) for seed in (1, 2))
        assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_skew_grows_as_alpha_falls() -> None:
    """The largest share of a label, in the mean over labels: 1/4 when even, 1 when one has all."""
    labels = np.repeat(np.arange(10), 100)

    def largest_share(alpha: float) -> float:
        parts = dirichlet(labels, 4, alpha, seed=3)
        counts = [[label_histogram(labels, p).get(k, 0) for k in range(10)] for p in parts]
        return float(np.max(counts, axis=0).mean() / 100)

    shares = [largest_share(alpha) for alpha in (0.01, 0.5, 100.0)]
    assert shares[0] > 0.95 and shares[0] > shares[1] > shares[2] and shares[2] < 0.32


def test_blocks_and_own_by_hand() -> None:
    blocks = make_partition("blocks", None, 5, 2, 1)
    assert [part.tolist() for part in blocks] == [[0, 1, 2], [3, 4]]
    own = make_partition("own", None, 3, 2, 1)
    assert [part.tolist() for part in own] == [[0, 1, 2], [0, 1, 2]]


@pytest.mark.parametrize("spec", ["iid", "blocks", "dirichlet:1"])
def test_fewer_samples_than_workers_are_refused(spec: str) -> None:
    with pytest.raises(UsageError, match="3 training samples are too few for 4 workers"):
        make_partition(spec, np.zeros(3, np.int64), 3, 4, 1)


def test_own_data_without_a_sample_are_refused() -> None:
    with pytest.raises(UsageError, match="0 training samples are too few"):
        make_partition("own", None, 0, 4, 1)


BAD_SPECS = ["", "IID", "iid:1", "blocks:2", "own:1", "nope", "dirichlet", "dirichlet:ALPHA"]
BAD_ALPHAS = ["", "0", "-1", "nan", "inf", "1e7"]


@pytest.mark.parametrize("spec", [*BAD_SPECS, *(f"dirichlet:{alpha}" for alpha in BAD_ALPHAS)])
def test_bad_specs_name_what_there_is(spec: str) -> None:
    with pytest.raises(UsageError) as error:
        make_partition(spec, np.zeros(9, np.int64), 9, 2, 1)
    message = str(error.value)
    assert repr(spec) in message and "\n" not in message
    assert all(kind in message for kind in KINDS)


def test_a_bad_spec_is_met_with_the_configuration() -> None:
    with pytest.raises(UsageError, match=r"--set train.partition=x: .* dirichlet:ALPHA"):
        parse(["--set", "train.partition=x"])
    assert parse(["--set", "train.partition=dirichlet:0.3"])[1].train.partition == "dirichlet:0.3"


def test_dirichlet_wants_labels() -> None:
    with pytest.raises(UsageError, match="by label, and this task's data has none"):
        make_partition("dirichlet:0.5", None, 9, 2, 1)


class NoTensors(Dataset):
    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_labels_are_the_last_integer_tensor(dtype: torch.dtype) -> None:
    labels = labels_of(TensorDataset(torch.zeros(3, 2), torch.tensor([2, 0, 2], dtype=dtype)))
    assert labels is not None and labels.dtype == np.int64
    assert labels.tolist() == [2, 0, 2]
    assert label_histogram(labels, np.array([0, 2])) == {2: 2}
    assert label_histogram(labels, np.array([2, 1, 0])) == {0: 1, 2: 2}


@pytest.mark.parametrize(
    "data",
    [
        NoTensors(),
        TensorDataset(torch.zeros(3), torch.zeros(3)),
        TensorDataset(torch.zeros(3), torch.zeros(3, 1, dtype=torch.int64)),
        TensorDataset(torch.zeros(3), torch.zeros(3, dtype=torch.bool)),
    ],
)
def test_other_data_have_no_labels(data: Dataset) -> None:
    assert labels_of(data) is None
