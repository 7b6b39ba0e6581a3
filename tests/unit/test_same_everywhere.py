"""Ranks that were started with other settings, or built other models, are found and named."""

from typing import Any

import pytest
import torch
from torch import nn

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.runtime.same_everywhere import digest, first_difference, settings_lines

HOSTS = ["a", "b", "c"]


def settings(**sections: dict[str, Any]) -> list[str]:
    return settings_lines(Config().with_values(sections, "test"))


def layout(*modules: nn.Module) -> list[str]:
    return FlatModel(nn.Sequential(*modules), torch.device("cpu")).layout


def test_the_first_setting_that_differs_is_named() -> None:
    adsp, bsp = settings(sync={"model": "adsp"}), settings(sync={"model": "bsp"})
    assert digest(adsp) != digest(bsp)
    assert first_difference([adsp, adsp, bsp], HOSTS) == (
        "rank 2 on c has sync.model = 'bsp'",
        "rank 0 has sync.model = 'adsp'",
    )


def test_equal_ranks_have_equal_digests_and_no_difference() -> None:
    assert digest(settings()) == digest(settings())
    assert first_difference([settings()] * 3, HOSTS) is None


@pytest.mark.parametrize("name", ["out", "device", "threads", "screen"])
def test_settings_of_one_machine_may_differ(name: str) -> None:
    other: dict[str, Any] = {"out": "r", "device": "cuda", "threads": 2, "screen": "quiet"}
    assert settings(run={name: other[name]}) == settings()


def test_with_own_data_the_options_of_the_task_may_differ_but_not_its_name() -> None:
    own = {"partition": "own"}
    one, two = (settings(task={"name": "svm", "csv": file}, train=own) for file in "ab")
    assert one == two
    assert settings(task={"name": "svm", "csv": "a"}) != settings(task={"name": "svm", "csv": "b"})
    assert settings(task={"name": "other"}, train=own) != one


def test_a_layout_tells_names_types_and_shapes_in_the_order_of_the_vector() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    module[0].weight.requires_grad_(False)
    assert FlatModel(module, torch.device("cpu")).layout == [
        "0.bias float32[3]",
        "1.weight float32[3]",
        "1.bias float32[3]",
        "1.running_mean float32[3]",
        "1.running_var float32[3]",
        "0.weight float32[3, 2]",
        "1.num_batches_tracked int64[]",
    ], "those that no commit carries follow"


def test_models_of_the_same_size_but_other_shapes_differ() -> None:
    one, two = layout(nn.Linear(2, 3, bias=False)), layout(nn.Linear(3, 2, bias=False))
    assert first_difference([one, two], HOSTS) == (
        "rank 1 on b has 0.weight float32[2, 3]",
        "rank 0 has 0.weight float32[3, 2]",
    )


def test_a_missing_tensor_is_named() -> None:
    short, long = layout(nn.Linear(2, 3)), layout(nn.Linear(2, 3), nn.Linear(3, 1))
    found = first_difference([long, short], HOSTS)
    assert found == ("rank 1 on b has nothing more", "rank 0 has 1.weight float32[1, 3]")


def test_a_checkpoint_of_another_model_is_refused_with_its_first_other_tensor() -> None:
    model = FlatModel(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), torch.device("cpu"))
    model.require_layout(list(model.layout), "checkpoint c")
    turned = [*model.layout[2:], *model.layout[:2]]
    with pytest.raises(UsageError, match=r"checkpoint c .* 1\.weight .* where this one has 0\."):
        model.require_layout(turned, "checkpoint c")
