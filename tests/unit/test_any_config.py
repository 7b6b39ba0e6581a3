"""Simulations of what a configuration alone describes."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.optim.lr_scheduler import LambdaLR

import adsp_mpi
from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.own_loop.host import GIVEN
from adsp_mpi.sim.any_config import simulate_any
from tests.unit.own_loops import adamw

BATCHES = list(torch.randn(8, 16, 3, generator=torch.Generator().manual_seed(0)))


def made(rate: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    return model, torch.optim.AdamW(model.parameters(), rate)


def loss_of(model: nn.Module, batch: torch.Tensor | None = None) -> torch.Tensor:
    """The model's error as a sum of each row's first two numbers; of all batches without one."""
    rows = torch.cat(BATCHES) if batch is None else batch
    return mse_loss(model(rows[:, :2]).squeeze(1), rows[:, 0] + rows[:, 1])


def step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss_of(model, batch).backward()
    optimizer.step()


LOOP = {"name": "own-loop", "program": f"{adamw.__module__}:adamw"}


def config_of(task: dict[str, Any], seed: int = 1) -> Config:
    return Config().with_values(
        {
            "task": task,
            "run": {"seed": seed},
            "sync": {"model": "asp", "local_steps": 2},
            "hetero": {"profile": "ratio:2", "step_time_s": 0.1},
            "stop": {"max_steps": 6},
            "simulate": {"workers": 3},
        },
        "test",
    )


def test_a_function_that_a_configuration_names_is_trained_as_it_says() -> None:
    before = GIVEN.layers
    first, again, other = (simulate_any(config_of(LOOP, seed)) for seed in (1, 1, 2))
    assert GIVEN.layers is before
    assert first.report.model == "asp" and first.report.num_workers == 3
    assert (first.report.steps, first.report.commits) == (18, 9)
    assert first.evaluations == again.evaluations != other.evaluations


def lone(rate: float) -> None:
    """AdamW on batches in a fixed order, with a schedule by progress."""
    model, optimizer = made(rate)
    run = adsp_mpi.join(model, optimizer, evaluate=loss_of)
    schedule = LambdaLR(optimizer, lambda _: 1 - run.progress)
    for batch in run(BATCHES):
        step(model, optimizer, batch)
        schedule.step()


def test_one_worker_that_commits_each_step_is_the_plain_loop() -> None:
    steps, rate = 24, 0.05
    more = {"stop": {"max_steps": steps}, "simulate": {"workers": 1}}
    task = {"name": "own-loop", "program": f"{__name__}:lone", "rate": rate}
    one = config_of(task).with_values(more, "test")
    losses = simulate_any(one.with_values({"sync": {"local_steps": 1}}, "test")).evaluations
    model, optimizer = made(rate)
    first = loss_of(model).item()
    for number in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - number / steps)
        step(model, optimizer, BATCHES[number % len(BATCHES)])
    assert losses[0][1] == pytest.approx(first)
    assert losses[-1][1] == pytest.approx(loss_of(model).item(), rel=1e-4)
    assert losses[-1][1] < 0.9 * first


def test_a_task_is_simulated_as_ever() -> None:
    assert simulate_any(config_of({"name": "quadratic"})).report.task == "quadratic"


def test_a_loop_without_its_function_is_refused() -> None:
    with pytest.raises(UsageError, match=r"task\.program must name"):
        simulate_any(config_of({"name": "own-loop"}))
