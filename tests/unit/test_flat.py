"""What a model commits, as one vector: views, copies, and what stays at home."""

from typing import Callable

import numpy as np
import pytest
import torch
from torch import nn

from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.replica import Replica

CPU = torch.device("cpu")


def rich_module() -> nn.Module:
    """Convolution, batch norm, an embedding, a frozen layer and a tied weight."""
    module = nn.ModuleDict(
        {
            "conv": nn.Conv1d(2, 3, 2),
            "norm": nn.BatchNorm1d(3),
            "words": nn.Embedding(5, 4),
            "out": nn.Linear(4, 5, bias=False),
            "frozen": nn.Linear(2, 2),
        }
    )
    module["out"].weight = module["words"].weight
    module["frozen"].requires_grad_(False)
    return module


def test_module_tensors_are_views_of_one_vector() -> None:
    module = rich_module()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    flat = FlatModel(module, CPU)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    flat.values.fill_(7.0)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            assert (value == 7.0).all() != name.startswith("frozen"), name
    assert module["norm"].num_batches_tracked == 0
    trainable = 2 * 3 * 2 + 3 + 3 + 3 + 5 * 4
    assert flat.num_trainable == trainable
    assert flat.num_elements == trainable + (3 + 3)
    assert set(flat.at_home) == {"frozen.weight", "frozen.bias", "norm.num_batches_tracked"}


def test_frozen_parameters_that_an_optimizer_holds_travel() -> None:
    module = rich_module()
    flat = FlatModel(module, CPU, also_trained=[module["frozen"].weight])
    assert set(flat.at_home) == {"frozen.bias", "norm.num_batches_tracked"}


def test_masks_and_buffers_that_are_not_saved_stay_at_home() -> None:
    module = nn.Linear(2, 2)
    module.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    module.register_buffer("cache", torch.ones(3), persistent=False)
    module.register_buffer("mean", torch.ones(3))
    flat = FlatModel(module, CPU)
    assert set(flat.at_home) == {"mask", "cache"}
    assert flat.num_elements == 6 + 3


def test_buffers_that_stay_at_home_are_told_apart_from_frozen_parameters() -> None:
    """A checkpoint of a worker holds them: a float one that is not saved may change in training."""
    module = rich_module()
    module.register_buffer("unsaved", torch.ones(2), persistent=False)
    flat = FlatModel(module, CPU)
    assert "unsaved" in flat.own_buffers
    frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
    assert frozen and not frozen & flat.own_buffers.keys()


def test_gradients_arrive_in_the_flat_vector() -> None:
    flat = FlatModel(nn.Linear(3, 1), CPU)
    gradients = flat.hold_gradients()
    flat.module(torch.tensor([[1.0, 2.0, 3.0]])).sum().backward()
    assert gradients.tolist() == [1.0, 2.0, 3.0, 1.0]


def test_channels_last_weights_stay_channels_last() -> None:
    conv = nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last)
    before = conv.weight.detach().clone()
    flat = FlatModel(conv, CPU)
    assert torch.equal(conv.weight, before) and not flat.has_copies
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert "strides [12, 1, 6, 3]" in flat.layout[0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_float_types_are_copied(dtype: torch.dtype) -> None:
    module = nn.Linear(2, 2).to(dtype)
    flat = FlatModel(module, CPU)
    assert flat.has_copies and module.weight.dtype == dtype
    flat.load(torch.full((6,), 0.1))
    assert torch.equal(module.weight, torch.full((2, 2), 0.1).to(dtype))
    with torch.no_grad():
        module.bias.fill_(3.0)
    flat.gather()
    assert flat.values.tolist()[4:] == [3.0, 3.0]
    with pytest.raises(UsageError, match="plain SGD wants a float32 model"):
        flat.hold_gradients()


def test_a_commit_of_bfloat16_weights_carries_their_steps_and_no_rounding() -> None:
    """The server holds what bfloat16 cannot: the worker does not send the difference back."""
    module = nn.Linear(1, 1).to(torch.bfloat16)
    flat = FlatModel(module, CPU)
    flat.load(torch.ones(2))
    replica = Replica(flat, same_base=True)
    assert not replica.has_parts
    server = np.array([1.001, 1.001], np.float32)
    replica.take_update(1.0)
    replica.answer[:] = server
    replica.rebase()
    assert (module.weight == 1.0).all(), "1.001 in bfloat16"
    with torch.no_grad():
        module.weight += 0.5
    assert replica.take_update(1.0).tolist() == [0.5, 0.0]


def test_tensors_that_were_given_other_memory_keep_their_values_and_come_back() -> None:
    """SAM and an RNN's flatten_parameters set `parameter.data`; a buffer may be set anew."""
    module = nn.BatchNorm1d(2)
    flat = FlatModel(module, CPU)
    module.weight.data = torch.tensor([3.0, 4.0])
    module.running_mean = module.running_mean + 5.0
    flat.gather()
    assert flat.values.tolist() == [3.0, 4.0, 0.0, 0.0, 5.0, 5.0, 1.0, 1.0]
    module.bias.data = torch.ones(2)
    module.running_var = torch.zeros(2)
    flat.load(torch.arange(8.0))
    assert module.bias.tolist() == [2.0, 3.0] and module.running_var.tolist() == [6.0, 7.0]
    flat.values.zero_()
    assert not any(tensor.any() for tensor in module.state_dict().values())


@pytest.mark.parametrize("module", [nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False)])
def test_a_tensor_that_becomes_another_after_join_is_refused(module: nn.Module) -> None:
    module.register_parameter("more", nn.Parameter(torch.ones(2)))
    flat = FlatModel(module, CPU)
    module.double()
    with pytest.raises(AdspError, match=r"was float32\[2.* on cpu at join and is float64\[2"):
        flat.gather()


def test_the_vector_is_float32_whatever_torchs_default_is() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        flat = FlatModel(nn.Linear(2, 1), CPU)
        assert flat.values.dtype == torch.float32 and flat.has_copies
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.LazyLinear(2), "weight has no shape yet: call the model on a batch"),
        (lambda: nn.Linear(2, 2, device="meta"), "weight is on the meta device"),
        (lambda: nn.Linear(2, 2, dtype=torch.complex64), "complex parameters cannot"),
        (lambda: holding(torch.zeros(1, 2).expand(3, 2)), "given is an expanded tensor"),
    ],
)
def test_parameters_that_no_commit_can_carry_are_refused(
    make: Callable[[], nn.Module], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        FlatModel(make(), CPU)


def holding(value: torch.Tensor) -> nn.Module:
    module = nn.Module()
    module.register_parameter("given", nn.Parameter(value))
    return module


def test_a_model_without_trainable_parameters_is_refused() -> None:
    with pytest.raises(UsageError, match="no trainable"):
        FlatModel(nn.Linear(2, 2).requires_grad_(False), CPU)
