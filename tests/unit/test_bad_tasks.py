"""Losses, metrics and data that a task must not have are one line each; no test data is a note."""

import numpy as np
import pytest
import torch
from torch import nn

from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.evaluator import Evaluator
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.sample_order import BatchOrder
from adsp_mpi.learn.task import Task, notes_on
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.learn.updates import LearningRate

CPU = torch.device("cpu")


def taught(**parts: object) -> tuple[Trainer, Evaluator]:
    """A trainer and an evaluator of a linear model on ones, with these parts of the task."""
    data = (torch.ones(300, 2), torch.ones(300))
    defaults = {
        "train_data": data,
        "test_data": data,
        "loss": lambda model, batch: model(batch[0]).mean(),
        "metrics": lambda model, batch: {"x": 0.0},
    }
    task = Task(make_model=lambda: nn.Linear(2, 1), **(defaults | parts))  # type: ignore[arg-type]
    flat = FlatModel(task.make_model(), CPU)
    order = BatchOrder(np.arange(300), np.random.default_rng(0))
    evaluator = Evaluator(task, flat, 0, 1)
    return Trainer(task, flat, lambda share: order, 0, LearningRate(0.1, 1, 1)), evaluator


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda model, batch: model(batch[0]).squeeze(1), "a torch.float32 of shape"),
        (lambda model, batch: model(batch[0]).sum().long(), "a torch.int64 of shape"),
        (lambda model, batch: None, "of type NoneType .is a return missing"),
        (lambda model, batch: {"loss": model(batch[0]).mean()}, "of type dict"),
        (lambda model, batch: model(batch[0]).mean().item(), "of type float"),
    ],
)
def test_a_loss_of_the_wrong_kind_is_one_line(loss: object, message: str) -> None:
    trainer, evaluator = taught(loss=loss)
    for action in (lambda: trainer.step(32), evaluator.evaluate):
        with pytest.raises(AdspError, match=f"loss must be a scalar tensor.*{message}"):
            action()


def test_a_loss_that_does_not_depend_on_the_model_is_one_line() -> None:
    trainer, _ = taught(loss=lambda model, batch: model(batch[0]).mean().detach())
    with pytest.raises(AdspError, match="loss has no gradient"):
        trainer.step(32)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "a NoneType .is a return missing"),
        (0.5, "a float"),
        (torch.ones(3), "a Tensor"),
        ({"x": torch.ones(2)}, r"'x' is a Tensor of shape \[2\]"),
        ({"x": "much"}, "'x' is a str"),
        ({"x": None}, "'x' is a NoneType"),
    ],
)
def test_metrics_of_the_wrong_kind_are_one_line(returned: object, message: str) -> None:
    _, evaluator = taught(metrics=lambda model, batch: returned)
    with pytest.raises(AdspError, match=f"metrics must return a dict of numbers.*{message}"):
        evaluator.evaluate()


def test_metrics_keep_their_names() -> None:
    """300 samples are two batches."""
    names = iter("ab")
    _, evaluator = taught(metrics=lambda model, batch: {next(names): 1.0})
    with pytest.raises(AdspError, match=r"one batch has \['a'\], another \['b'\]"):
        evaluator.evaluate()


def test_metrics_may_be_tensors_and_numpy_numbers() -> None:
    _, evaluator = taught(metrics=lambda m, b: {"t": torch.tensor([2.0]), "n": np.float32(3)})
    assert evaluator.evaluate() | {"loss": 0} == {"loss": 0, "test_t": 2.0, "test_n": 3.0}


@pytest.mark.parametrize("part", ["make_model", "loss", "metrics"])
def test_parts_that_cannot_be_called_are_named(part: str) -> None:
    parts: dict = {"make_model": nn.Identity, "train_data": (), "test_data": (), part: None}
    with pytest.raises(UsageError, match=f"the task's {part} must be a function, not NoneType"):
        Task(**parts)


def test_empty_test_data_are_noted_and_give_no_metrics() -> None:
    nothing = (torch.ones(0, 2), torch.ones(0))
    _, evaluator = taught(test_data=nothing)
    assert list(evaluator.evaluate()) == ["loss"]
    task = Task(make_model=nn.Identity, train_data=nothing, test_data=nothing)
    assert notes_on(task) == ["no test data: no test metrics"]


def test_empty_training_data_are_an_error() -> None:
    with pytest.raises(AdspError, match="no training data"):
        taught(train_data=(torch.ones(0, 2), torch.ones(0)))
