"""Losses of steps: those that are not finite, and those that a GPU still computes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from adsp_mpi.errors import AdspError
from adsp_mpi.learn import late_loss
from adsp_mpi.learn.batch import Batch
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.late_loss import LateLoss
from adsp_mpi.learn.sample_order import BatchOrder
from adsp_mpi.learn.task import Task
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.learn.updates import LearningRate
from tests.unit import own_loops
from tests.unit.own_loops import SEEN
from tests.unit.simulated import play_loop as play


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


def test_one_loss_that_is_not_finite_is_no_error_where_the_weights_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played = play(monkeypatch, tmp_path, own_loops.failing_at("nan"))
    assert np.isnan(played.tables("steps")[1]["loss"]).sum() == 1
    losses = played.table("ps/evals")["loss"]
    assert losses[-1] < losses[0]


def test_ten_losses_in_a_row_that_are_not_finite_end_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(AdspError, match="worker 1: the loss became nan at its step 15"):
        play(monkeypatch, tmp_path, own_loops.failing_at("nan from there on"))


def test_weights_that_are_not_finite_are_never_committed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(AdspError, match="worker 1: the loss became nan at its step 6"):
        play(monkeypatch, tmp_path, own_loops.diverging, sync={"model": "asp"})
    model = torch.load(tmp_path / "model.pt", weights_only=True)
    assert all(weights.isfinite().all() for weights in model.values())


@pytest.fixture
def float64_is_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses of float64 stand for those on a GPU; only `copied` may read them, and adds 100."""
    monkeypatch.setattr(late_loss, "copied", lambda loss: lambda: float(loss) + 100)
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda t: t.dtype == torch.float64))


@pytest.mark.usefixtures("float64_is_on_a_gpu")
def test_a_loss_on_a_gpu_is_read_a_step_later() -> None:
    loss = LateLoss()
    taken = []
    for logged in (torch.ones((), dtype=torch.float64), 2.0, None, torch.tensor(4.0)):
        loss.log(logged)
        taken.append(loss.take())
    on_gpu = [torch.tensor(float(k), dtype=torch.float64) for k in range(3)]
    for logged in (*on_gpu, None, None):
        loss.log(logged)
        taken.append(loss.take())
    assert taken == [None, 2.0, None, 4.0, None, 100.0, 101.0, 102.0, None]


@pytest.mark.usefixtures("float64_is_on_a_gpu")
@pytest.mark.parametrize(
    ("dtype", "losses"), [(torch.float32, [4.0, 1.0, 0.25]), (torch.float64, [None, 104.0, 101.0])]
)
def test_a_task_reads_the_loss_of_a_step_on_a_gpu_a_step_later(
    dtype: torch.dtype, losses: list[float | None]
) -> None:
    """The loss is (w x)^2 with x = 1; the rate 1/4 halves w = 2 at every step."""
    data = (torch.ones(1, 1),)

    def loss(model: nn.Module, batch: Batch) -> torch.Tensor:
        return (model(batch[0]) ** 2).mean().to(dtype)

    task = Task(lambda: nn.Linear(1, 1, bias=False), data, data, loss, lambda model, batch: {})
    model = FlatModel(task.make_model())
    model.values.fill_(2.0)
    order, rate = BatchOrder(np.arange(1), np.random.default_rng(0)), LearningRate(0.25, 1, 1)
    trainer = Trainer(task, model, lambda share: order, 0, rate)
    assert [trainer.step(1) for _ in range(3)] == losses
    assert model.values.item() == 0.25
