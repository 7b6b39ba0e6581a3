"""BSP under MPI is one process on the joint batch."""

from pathlib import Path

import numpy as np
import pytest
import torch

import adsp_mpi.trace
from adsp_mpi.learn.partition import iid
from adsp_mpi.learn.sample_order import BatchOrder
from adsp_mpi.learn.updates import LearningRate
from tests.launch.launcher import PROGRAMS, launch
from tests.mpi.bsp_rounds import SAMPLES, data, make_model

ROUNDS = 60
RANKS = (2, 3, 6)


def in_one_process(num_workers: int, rounds: int, adamw: bool = False) -> list[torch.Tensor]:
    """Float64: every round one step of SGD or AdamW on all workers' batches together."""
    model = make_model().double()
    x, y = data()
    rate = LearningRate(0.2, 0.9, 20.0)
    optimizer = torch.optim.AdamW(model.parameters(), 0.02) if adamw else None
    parts = iid(SAMPLES, num_workers, seed=9)
    orders = [BatchOrder(p, np.random.default_rng([9, i])) for i, p in enumerate(parts)]
    for k in range(rounds):
        joint = torch.from_numpy(np.concatenate([order.next_indices(8) for order in orders]))
        loss = torch.nn.functional.cross_entropy(model(x[joint].double()), y[joint])
        if optimizer:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            continue
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


def assert_trained_to(out: Path, expected: list[torch.Tensor]) -> None:
    trained = torch.load(out / "model.pt", weights_only=True)
    for value, wanted in zip(trained.values(), expected, strict=True):
        assert (value.double() - wanted).norm() / wanted.norm() < 1e-5


def test_so_they_do_with_adamw_up_to_the_last_step(runs: Path) -> None:
    assert_trained_to(runs / "adamw", in_one_process(RANKS[-2] - 1, ROUNDS - 1, adamw=True))


@pytest.mark.parametrize("ranks", RANKS)
def test_rounds_equal_single_process_sgd(runs: Path, ranks: int) -> None:
    out = runs / str(ranks)
    assert_trained_to(out, in_one_process(ranks - 1, ROUNDS))
    with adsp_mpi.trace.open(out) as trace:
        for worker in trace.workers:
            assert len(trace.table(f"workers/{worker}/steps")) == ROUNDS
        commits = [trace.table(f"workers/{w}/commits") for w in trace.workers]
    for k in range(ROUNDS):
        assert [table["number"][k] for table in commits] == [k + 1] * len(commits)
        assert sorted(table["staleness"][k] for table in commits) == list(range(len(commits)))
