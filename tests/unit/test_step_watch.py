"""Loops that train what no commit would carry: each is ended by one clear line."""

from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from torch import nn

import adsp_mpi
from adsp_mpi.errors import AdspError, UsageError
from tests.unit.simulated import play_loop

SHARED = nn.Linear(2, 1)


def frozen_first() -> None:
    """The first layer is frozen at join; the optimizer gets it after five steps."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model[1].parameters(), 0.01)
    run = adsp_mpi.join(model, optimizer)
    for number, _ in enumerate(run([None])):
        if number == 5:
            model[0].requires_grad_(True)
            optimizer.add_param_group({"params": model[0].parameters()})
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()


def another_optimizer(make: Callable[..., torch.optim.Optimizer]) -> None:
    """The loop's steps are those of an optimizer that join was not given."""
    model = nn.Linear(2, 1)
    run = adsp_mpi.join(model, torch.optim.SGD(model.parameters(), 0.01))
    optimizer = make(model.parameters(), lr=0.01)
    while run.running:
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()


def accumulating() -> None:
    """A step after every 150 batches; the first of two optimizers makes more."""
    models = [nn.Linear(2, 1), nn.Linear(2, 1)]
    first, last = (torch.optim.SGD(model.parameters(), 0.01) for model in models)
    run = adsp_mpi.join(models, [first, last])
    for number, _ in enumerate(run([None])):
        sum(model(torch.ones(1, 2)) for model in models).sum().backward()
        if number % 75 == 0:
            first.step()
        if number % 150 == 0:
            last.step()


def shared() -> None:
    adsp_mpi.join(SHARED, torch.optim.SGD(SHARED.parameters(), 0.01))


@pytest.mark.parametrize(
    "loop, error, message",
    [
        (frozen_first, AdspError, "the optimizer was given 0.weight, which was frozen at join"),
        (lambda: another_optimizer(torch.optim.SGD), AdspError, "no optimizer given to join"),
        (lambda: another_optimizer(torch.optim.AdamW), AdspError, "the weights have changed"),
        (shared, UsageError, "several workers gave join the same model"),
    ],
)
def test_what_no_commit_carries_is_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    loop: Callable[[], Any],
    error: type[AdspError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        play_loop(monkeypatch, tmp_path, loop)


def test_many_batches_may_come_between_two_steps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played = play_loop(monkeypatch, tmp_path, accumulating, stop={"max_steps": 3})
    assert sum(len(steps) for steps in played.tables("steps")) > 3
