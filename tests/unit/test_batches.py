"""Batches of a task's data: how they are read, and moved to a device."""

from collections import OrderedDict, UserDict, defaultdict
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_sequence
from torch.utils.data import Dataset, TensorDataset

from adsp_mpi.errors import UsageError
from adsp_mpi.learn.batch import gather_batch, move
from adsp_mpi.learn.evaluator import Evaluator
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.sample_order import BatchOrder
from adsp_mpi.learn.task import Task
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.learn.updates import LearningRate

CPU, META = torch.device("cpu"), torch.device("meta")


class Pair(NamedTuple):
    left: Any
    right: Any


class Encoding(UserDict):
    """With an attribute beside its items, as BatchEncoding of Hugging Face has."""

    def __init__(self, data: dict[str, Any], length: int) -> None:
        super().__init__(data)
        self.length = length


def leaves(batch: Any) -> list[torch.Tensor]:
    """All tensors in a batch."""
    if isinstance(batch, torch.Tensor):
        return [batch]
    values = batch.values() if hasattr(batch, "values") else batch
    return [tensor for value in values for tensor in leaves(value)]


@pytest.mark.parametrize(
    "batch",
    [
        Pair(torch.ones(1), [torch.ones(2)]),
        [torch.ones(1), (torch.ones(2), torch.ones(3))],
        {"x": torch.ones(1), "pair": Pair(torch.ones(1), torch.ones(1))},
        OrderedDict(b=torch.ones(1), a=torch.ones(2)),
        defaultdict(list, x=torch.ones(1)),
        UserDict(x=torch.ones(1)),
        Encoding({"ids": torch.ones(1), "mask": torch.ones(2)}, length=7),
    ],
)
def test_moved_batches_keep_their_types(batch: Any) -> None:
    before = leaves(batch)
    moved = move(batch, META)
    assert type(moved) is type(batch)
    assert [tensor.device for tensor in leaves(moved)] == [META] * len(before)
    assert leaves(batch) == before and before[0].device == CPU, "the batch itself is as it was"
    if isinstance(moved, Encoding):
        assert moved.length == 7 and list(moved) == ["ids", "mask"]
    if isinstance(moved, dict) and "pair" in moved:
        assert type(moved["pair"]) is Pair


def test_mappings_that_cannot_change_become_dicts() -> None:
    moved = move(MappingProxyType({"x": torch.ones(1)}), META)
    assert type(moved) is dict and moved["x"].device == META


def test_strings_and_other_leaves_stay_as_they_are() -> None:
    thing = object()
    moved = move(["word", b"bytes", 3, None, thing, {"name": "x", "all": range(3)}], META)
    assert moved == ["word", b"bytes", 3, None, thing, {"name": "x", "all": range(3)}]


def test_what_can_move_itself_is_asked_to() -> None:
    moved = move((pack_sequence([torch.ones(3), torch.ones(2)]), 1), META)[0]
    assert isinstance(moved, PackedSequence)
    assert moved.data.device == META and moved.batch_sizes.tolist() == [2, 2, 1]


class Words(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> dict:
        return {"word": i, "pair": (torch.ones(2) * i, i), "name": Pair(str(i), i)}


def test_datasets_and_nested_batches_are_gathered() -> None:
    """As torch collates them: tuples of samples become lists."""
    batch = gather_batch(Words(), torch.tensor([1, 3]), CPU)
    assert batch["word"].tolist() == [1, 3]
    assert type(batch["pair"]) is list and batch["pair"][0].shape == (2, 2)
    assert type(batch["name"]) is Pair and batch["name"].left == ("1", "3")


def padded(samples: list[tuple[torch.Tensor, int]]) -> Pair:
    rows, classes = zip(*samples, strict=True)
    return Pair(pad_sequence(list(rows), batch_first=True), torch.tensor(classes))


class Ragged(Dataset):
    """Sample i: i + 1 ones, and the class i % 2."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return torch.ones(i + 1), i % 2


def test_ragged_samples_are_collated_by_the_task() -> None:
    batch = gather_batch(Ragged(), torch.tensor([0, 2]), CPU, padded)
    assert type(batch) is Pair
    assert batch.left.tolist() == [[1, 0, 0], [1, 1, 1]] and batch.right.tolist() == [0, 0]


def test_a_task_with_a_collate_trains_and_evaluates_by_it() -> None:
    """One weight w = 1 and the loss w times the mean length, 3.5 of lengths 1 to 6."""

    def mean_length(model: nn.Module, batch: Pair) -> torch.Tensor:
        return model(batch.left.sum(dim=1, keepdim=True)).mean()

    task = Task(
        make_model=lambda: nn.Linear(1, 1, bias=False),
        train_data=Ragged(),
        test_data=Ragged(),
        loss=mean_length,
        metrics=lambda model, batch: {"length": float(mean_length(model, batch))},
        collate=padded,
    )
    flat = FlatModel(task.make_model())
    flat.values.fill_(1.0)
    assert Evaluator(task, flat, 0, 1).evaluate() == {"loss": 3.5, "test_length": 3.5}
    order = BatchOrder(np.arange(6), np.random.default_rng(0))
    trainer = Trainer(task, flat, lambda share: order, 0, LearningRate(0.1, 1, 1))
    assert trainer.step(6) == 3.5
    assert flat.values.item() == pytest.approx(1 - 0.1 * 3.5)


def test_tensors_too_are_collated_by_the_task_if_it_says_how() -> None:
    data = TensorDataset(torch.arange(4), torch.arange(4) * 10)
    assert gather_batch(data, torch.tensor([1, 3]), CPU, lambda samples: samples) == [
        (torch.tensor(1), torch.tensor(10)),
        (torch.tensor(3), torch.tensor(30)),
    ]
    assert type(gather_batch(data, torch.tensor([1, 3]), CPU)) is tuple


def test_tensors_whose_samples_are_changed_are_read_one_by_one() -> None:
    class Doubled(TensorDataset):
        def __getitem__(self, i: int) -> tuple[torch.Tensor, ...]:
            return tuple(2 * tensor for tensor in super().__getitem__(i))

    batch = gather_batch(Doubled(torch.arange(4)), torch.tensor([1, 3]), CPU)
    assert batch[0].tolist() == [2, 6]


class AtOnce(Words):
    """Knows which samples it was asked for at once."""

    asked: list[list[int]]

    def __getitems__(self, indices: list[int]) -> list[dict]:
        self.asked = [*getattr(self, "asked", []), indices]
        return [{"word": i} for i in indices]

    def __getitem__(self, i: int) -> dict:
        raise AssertionError


def test_a_dataset_with_getitems_is_asked_for_a_batch_at_once() -> None:
    data = AtOnce()
    assert gather_batch(data, torch.tensor([3, 1]), CPU)["word"].tolist() == [3, 1]
    assert data.asked == [[3, 1]]


def test_a_collate_that_is_no_function_is_named() -> None:
    data = (torch.ones(2),)
    with pytest.raises(UsageError, match="the task's collate must be a function, not str"):
        Task(nn.Identity, data, data, collate="pad")  # type: ignore[arg-type]
