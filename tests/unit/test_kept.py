"""What `run.keep` saves with checkpoints, and what it refuses."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adsp_mpi.errors import UsageError
from adsp_mpi.learn.packed import packed, unpacked
from adsp_mpi.own_loop.workload import LoopWorkload


class Kept:
    """Has a state_dict of one entry."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def state_dict(self) -> dict[str, Any]:
        return {"state": self.state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.state = state["state"]


@pytest.mark.parametrize(
    "state", [np.float64(0.5), np.arange(3), {1, 2}, (1, [torch.ones(2)]), np.array(["a"])]
)
def test_numbers_of_numpy_are_kept_too(state: Any) -> None:
    workload = LoopWorkload([nn.Linear(1, 1)], [], None, "")
    workload.keep("best", Kept(state))
    kept = unpacked(packed(workload.kept["best"].state_dict()))["state"]
    assert type(kept) is type(state) and str(kept) == str(state)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (Kept(frozenset([1])), r"the state_dict of best cannot be saved \(.*frozenset"),
        (Kept(np.array([object()])), "the state_dict of best cannot be saved"),
        (Kept(lambda: 1), "the state_dict of best cannot be saved"),
        (7, "best has no state_dict"),
    ],
)
def test_what_a_checkpoint_could_not_give_back_is_refused_at_once(kept: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LoopWorkload([nn.Linear(1, 1)], [], None, "").keep("best", kept)
