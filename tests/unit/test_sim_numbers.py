"""What is learnt in virtual time is what the mathematics says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import adsp_mpi
from adsp_mpi.learn.partition import iid
from adsp_mpi.learn.sample_order import BatchOrder
from adsp_mpi.learn.updates import LearningRate
from tests.mpi.bsp_rounds import SAMPLES, data, make_model, make_task
from tests.unit.simulated import Played, play, profile_of

SEED, BATCH_SIZE = 9, 8
TRAIN = {
    "batch_size": BATCH_SIZE,
    "local_lr": 0.2,
    "lr_decay": 0.9,
    "lr_decay_steps": 20.0,
    "partition": "iid",
}


def softmax_regression() -> adsp_mpi.Task:
    return make_task(None)


def sgd_on_the_joint_batch(sizes: np.ndarray) -> list[torch.Tensor]:
    """Float64, one process: every round one step on all workers' batches together.

    `sizes` are int[rounds, workers].
    """
    model = make_model().double()
    x, y = data()
    rate = LearningRate(TRAIN["local_lr"], TRAIN["lr_decay"], TRAIN["lr_decay_steps"])
    parts = iid(SAMPLES, sizes.shape[1], SEED)
    orders = [BatchOrder(p, np.random.default_rng([SEED, i])) for i, p in enumerate(parts)]
    for k, row in enumerate(sizes):
        batches = [order.next_indices(size) for order, size in zip(orders, row, strict=True)]
        joint = torch.from_numpy(np.concatenate(batches))
        loss = nn.functional.cross_entropy(model(x[joint].double()), y[joint])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= rate.at(k) * gradient
    return [p.detach() for p in model.parameters()]


def train(folder: Path, model: str, step_times_s: list[float], rounds: int) -> Played:
    return play(
        folder, model, profile_of(step_times_s, 0.1),
        task={"name": "tests.unit.test_sim_numbers:softmax_regression"},
        run={"seed": SEED}, train=TRAIN, stop={"max_steps": rounds}, sync={"check_period_s": 5.0},
    )  # fmt: skip


def assert_equals_sgd(run: Played, sizes: np.ndarray) -> None:
    trained = torch.load(run.folder / "model.pt", weights_only=True)
    for value, expected in zip(trained.values(), sgd_on_the_joint_batch(sizes), strict=True):
        assert (value.double() - expected).norm() / expected.norm() < 1e-5


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_bsp_is_synchronous_sgd_on_the_joint_batch(tmp_path: Path, workers: int) -> None:
    run = train(tmp_path, "bsp", [1.0 + worker for worker in range(workers)], 60)
    assert_equals_sgd(run, np.full((60, workers), BATCH_SIZE))


def test_so_is_batchtune_with_batches_of_any_size(tmp_path: Path) -> None:
    """Its commits count by their batches."""
    run = train(tmp_path, "batchtune-bsp", [0.1, 0.2, 0.5], 60)
    sizes = np.stack([steps["batch_size"] for steps in run.tables("steps")], axis=1)
    assert (sizes.sum(axis=1) == 3 * BATCH_SIZE).all()
    assert sizes[0].tolist() == [8, 8, 8] and sizes[-1].tolist() == [14, 7, 3]
    assert_equals_sgd(run, sizes)


class Ones(nn.Module):
    """Every gradient is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(7))


def constant_gradients() -> adsp_mpi.Task:
    rows = (torch.zeros(64, 1),)
    return adsp_mpi.Task(
        Ones, rows, rows, lambda model, batch: model.weights.sum() + 1e4, lambda model, batch: {}
    )


@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("model", ["adsp-fixed", "asp", "ssp", "adsp"])
def test_no_local_step_is_lost_while_commits_are_under_way(
    tmp_path: Path, model: str, blocking: bool
) -> None:
    """Gradient 1, rate 2**-6, global rate 1: every parameter ends at -(all steps) / 64."""
    steps = 150
    run = play(
        tmp_path, model, profile_of([0.4, 0.6, 1.1], [10.0, 5.0, 2.0]),
        task={"name": "tests.unit.test_sim_numbers:constant_gradients"},
        train={"batch_size": 4, "local_lr": 2.0**-6}, stop={"max_steps": steps},
        sync={"check_period_s": 50.0, "global_lr": 1.0, "blocking_commits": blocking},
        simulate={"server_bandwidth_mb_s": 1e-5},
    )  # fmt: skip
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    assert (state["weights"] == -steps * 3 / 64).all()
    for rows, commits in zip(run.tables("steps"), run.tables("commits"), strict=True):
        assert len(rows) == steps == commits["steps"].sum()
        flight = commits[0]
        during = (rows["start_s"] >= flight["begun_s"]) & (rows["start_s"] < flight["done_s"])
        assert during.any() != blocking, "nothing was learnt in flight, so nothing was tested"


def quadratic(folder: Path, workers: int = 1, model: str = "bsp", **sections) -> Played:
    task = {"dimensions": 3, "condition": 4.0, "noise": 0.0, "start": 2.0}
    sections["task"] = task | sections.get("task", {})
    sections.setdefault("train", {"local_lr": 0.5})
    sections.setdefault("stop", {"max_steps": 20})
    sections["task"]["name"] = "quadratic"
    return play(folder, model, profile_of([1.0] * workers), eval={"period_s": 1.0}, **sections)


CURVATURE = np.array([0.25, 0.5, 1.0])


@pytest.mark.parametrize("workers", [1, 3])
def test_the_quadratic_without_noise_shrinks_by_one_minus_rate_times_curvature(
    tmp_path: Path, workers: int
) -> None:
    """f = 1/2 sum a w^2 with a = 1/4, 1/2 and 1 from w = 2; every round w <- (1 - a/2) w."""
    run = quadratic(tmp_path, workers)
    end = np.load(tmp_path / "model.npy")
    assert end == pytest.approx(2.0 * (1 - CURVATURE / 2) ** 20, rel=1e-5)
    evals = run.table("ps/evals")
    assert evals["loss"][0] == 0.5 * 4 * (0.25 + 0.5 + 1) and evals["distance"][0] == 12**0.5
    assert evals["loss"][-1] == pytest.approx(0.5 * (CURVATURE * end.astype(float) ** 2).sum())
    assert evals["distance"][-1] == pytest.approx(float(np.linalg.norm(end)))
    losses = run.table("workers/0/steps")["loss"]
    by_hand = [0.5 * (CURVATURE * (2 * (1 - CURVATURE / 2) ** k) ** 2).sum() for k in range(20)]
    assert losses == pytest.approx(by_hand, rel=1e-5)


def test_its_learning_rate_decays_in_own_steps(tmp_path: Path) -> None:
    train = {"local_lr": 0.5, "lr_decay": 0.5, "lr_decay_steps": 2.0}
    quadratic(tmp_path, train=train, stop={"max_steps": 3})
    rates = 0.5 * 0.5 ** (np.arange(3) / 2)
    factors = np.prod(1 - rates[:, None] * CURVATURE, axis=0)
    assert np.load(tmp_path / "model.npy") == pytest.approx(2 * factors, rel=1e-6)


def test_the_quadratic_without_noise_converges_under_every_kind_of_model(tmp_path: Path) -> None:
    for name in ("adsp", "asp", "ssp", "wbsp", "fixed-adacomm"):
        folder = tmp_path / name
        folder.mkdir()
        sync = {"check_period_s": 20.0}
        run = quadratic(folder, 3, name, sync=sync, stop={"max_seconds": 400.0})
        losses = run.table("ps/evals")["loss"]
        assert losses[-1] < 1e-6 * losses[0], name


@pytest.mark.parametrize("batch_size", [1, 16])
def test_its_noise_is_that_of_the_batch(tmp_path: Path, batch_size: int) -> None:
    """At rate 0 the loss is 1/2 sum a (2 - x)^2 with x normal of deviation 3 / sqrt(batch)."""
    run = quadratic(
        tmp_path, task={"noise": 3.0},
        train={"local_lr": 0.0, "batch_size": batch_size}, stop={"max_steps": 4000},
    )  # fmt: skip
    losses = run.table("workers/0/steps")["loss"]
    assert losses.mean() == pytest.approx(0.5 * CURVATURE.sum() * (4 + 9 / batch_size), rel=0.1)
