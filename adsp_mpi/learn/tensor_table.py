"""Where each tensor of a state_dict is in a model's vector, in a form that checkpoints can hold."""

from dataclasses import asdict, dataclass
from typing import Any, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import nn

Row = dict[str, Any]
"""An entry of a state_dict: its `name`; for one that commits carry also the `dtype` and `shape` of
the tensor, and the `offset` and `strides`, in numbers, at which the vector holds it; `at_home` for
one that stays on its rank. With neither, it is computed when the state_dict is asked for."""


@dataclass(frozen=True)
class Place:
    """The place of a tensor in the vector: where it begins, and its strides, in numbers."""

    offset: int
    strides: tuple[int, ...]


def table_of(
    module: nn.Module, places: Mapping[int, Place], at_home: Iterable[torch.Tensor]
) -> list[Row]:
    """A row for each entry of the module's state_dict, given the places by the tensors' identity.

    `at_home` are the tensors that no commit carries.
    """
    ids = {id(tensor) for tensor in at_home}
    table: list[Row] = []
    for name, value in module.state_dict(keep_vars=True).items():
        row: Row = {"name": name}
        if place := places.get(id(value)):
            row["dtype"] = str(value.dtype).removeprefix("torch.")
            row |= {"shape": list(value.shape), **asdict(place)}
        elif id(value) in ids or not isinstance(value, torch.Tensor):
            row["at_home"] = True
        table.append(row)
    return table


def state_dict_of(
    table: Sequence[Row], values: np.ndarray, at_home: dict[str, Any]
) -> dict[str, Any]:
    """The state_dict that has this `table`, with the `values`, float32[P], of its vector.

    `at_home` holds what the vector does not. Tied entries are one tensor. Raises KeyError for an
    entry that is nowhere, RuntimeError or TypeError for rows that fit no vector.
    """
    made: dict[int, torch.Tensor] = {}
    state: dict[str, Any] = {}
    for row in table:
        name = row["name"]
        if "offset" not in row:
            state[name] = at_home[name]
            continue
        offset = row["offset"]
        if offset not in made or list(made[offset].shape) != row["shape"]:
            made[offset] = _tensor_at(row, torch.from_numpy(values))
        state[name] = made[offset]
    return state


def _tensor_at(row: Row, values: torch.Tensor) -> torch.Tensor:
    dtype = getattr(torch, row["dtype"], None)
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{row['name']} has the type {row['dtype']!r}")
    there = values.as_strided(row["shape"], row["strides"], row["offset"])
    return there.to(dtype, copy=True)
