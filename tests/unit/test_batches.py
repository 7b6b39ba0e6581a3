"""Batches of a task's data: how they are read, and moved to a device."""

from collections import OrderedDict, UserDict, defaultdict
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.utils.data import Dataset

from adsp_mpi.learn.batch import gather_batch, move

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
