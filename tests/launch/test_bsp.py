"""BSP under MPI is synchronous SGD on the joint batch."""

from pathlib import Path

import numpy as np
import pytest
import torch

import adsp_mpi.trace
from adsp_mpi.learn.partition import iid
from adsp_mpi.learn.trainer import BatchOrder
from adsp_mpi.learn.updates import LearningRate
from tests.launch.launcher import PROGRAMS, launch
from tests.mpi.bsp_rounds import SAMPLES, data, make_model

ROUNDS = 60
RANKS = (2, 3, 6)


def sgd_on_the_joint_batch(num_workers: int, rounds: int) -> list[torch.Tensor]:
    """Float64, one process: every round one step on all workers' batches together."""
    model = make_model().double()
    x, y = data()
    rate = LearningRate(0.2, 0.9, 20.0)
    parts = iid(SAMPLES, num_workers, seed=9)
    orders = [BatchOrder(p, np.random.default_rng([9, i])) for i, p in enumerate(parts)]
    for k in range(rounds):
        joint = torch.from_numpy(np.concatenate([order.next_indices(8) for order in orders]))
        loss = torch.nn.functional.cross_entropy(model(x[joint].double()), y[joint])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= rate.at(k) * gradient
    return [p.detach() for p in model.parameters()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one run for each number of ranks."""
    folder = tmp_path_factory.mktemp("bsp")
    program = ("-m", "tests.mpi.bsp_rounds", str(folder), str(ROUNDS), *map(str, RANKS))
    done = launch(max(RANKS), *program, cwd=PROGRAMS.parents[1])
    assert done.code == 0 and done.error_lines == [] and done.out == "", done.err
    return folder


@pytest.mark.parametrize("ranks", RANKS)
def test_rounds_equal_single_process_sgd(runs: Path, ranks: int) -> None:
    out = runs / str(ranks)
    trained = torch.load(out / "model.pt", weights_only=True)
    for value, expected in zip(
        trained.values(), sgd_on_the_joint_batch(ranks - 1, ROUNDS), strict=True
    ):
        error = (value.double() - expected).norm() / expected.norm()
        assert error < 1e-5
    with adsp_mpi.trace.open(out) as trace:
        for worker in trace.workers:
            assert len(trace.table(f"workers/{worker}/steps")) == ROUNDS
        commits = [trace.table(f"workers/{w}/commits") for w in trace.workers]
    for k in range(ROUNDS):
        assert [table["number"][k] for table in commits] == [k + 1] * len(commits)
        assert sorted(table["staleness"][k] for table in commits) == list(range(len(commits)))
