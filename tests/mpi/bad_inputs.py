"""Runs with bad input, one after the other under one mpirun: what each one raises, and where.

Rank 0 prints a line of JSON for each case: its name and [rank, exit code, message] of every rank
that raised a message of its own.
"""

import json
from dataclasses import dataclass
from typing import Any, Callable

import numpy as np
import torch
from mpi4py import MPI
from torch import nn

import adsp_mpi
from adsp_mpi.config import Config
from adsp_mpi.core.commit_rule import CommitRule, Landing
from adsp_mpi.core.models.asp import Asp
from adsp_mpi.errors import AdspError, Elsewhere
from adsp_mpi.mpi.run import run


@dataclass(frozen=True)
class Counting(Asp):
    """A scheme whose commit rule keeps a plain number in its state."""

    def commit_rule(self) -> CommitRule:
        return CountingRule()


class CountingRule(CommitRule):
    def begin(self, values: np.ndarray) -> None:
        self.state = {"count": 0}  # type: ignore[dict-item]

    def apply(self, values: np.ndarray, update: np.ndarray, landing: Landing) -> None:
        values += update


COMM = MPI.COMM_WORLD
ODD = COMM.rank == 2
"""The rank whose input differs where the ranks differ."""


def make_task(samples: int = 60, hidden: int = 3, **parts: Any) -> adsp_mpi.Task:
    """A small regression with the given parts replaced."""
    data = (torch.ones(samples, 2), torch.ones(samples))
    wanted: dict[str, Any] = {
        "make_model": lambda: nn.Sequential(nn.Linear(2, hidden), nn.Linear(hidden, 1)),
        "train_data": data,
        "test_data": data,
        "loss": lambda model, batch: model(batch[0]).mean(),
        "metrics": lambda model, batch: {"x": 0.0},
    }
    return adsp_mpi.Task(**(wanted | parts))


def transposed() -> nn.Module:
    """As many numbers as the other ranks' model, in another order."""
    layers = [nn.Linear(2, 3), nn.Linear(3, 1)]
    return nn.ModuleList(layers[::-1]) if ODD else nn.ModuleList(layers)


def vector_in_training(model: nn.Module, batch: Any) -> torch.Tensor:
    losses = model(batch[0]).squeeze(1)
    return losses if model.training else losses.mean()


CASES: dict[str, tuple[dict[str, dict[str, Any]], Callable[[], adsp_mpi.Task]]] = {
    "other settings": ({"sync": {"model": "bsp" if ODD else "adsp"}}, make_task),
    "other machine": ({"run": {"threads": 2 if ODD else 1}}, make_task),
    "other shapes": ({}, lambda: make_task(make_model=transposed)),
    "other data": ({}, lambda: make_task(samples=59 if ODD else 60)),
    "own data": (
        {"train": {"partition": "own"}},
        lambda: make_task(samples=59 if ODD else 60),
    ),
    "vector on workers": ({}, lambda: make_task(loss=vector_in_training)),
    "state of a rule": ({"sync": {"model": "bad_inputs:Counting"}}, make_task),
    "metrics": ({}, lambda: make_task(metrics=lambda model, batch: 0.5)),
}


def outcome(settings: dict[str, dict[str, Any]], task: Callable[[], adsp_mpi.Task]) -> Any:
    """[rank, exit code, message] where this rank raised a message of its own, else None."""
    base = {"run": {"screen": "quiet"}, "stop": {"max_steps": 5}}
    for section, values in settings.items():
        base[section] = base.get(section, {}) | values
    try:
        run(Config().with_values(base, "test"), task())
    except Elsewhere:
        return None
    except AdspError as error:
        return [COMM.rank, error.exit_code, str(error)]
    return None


if __name__ == "__main__":
    for name, case in CASES.items():
        raised = COMM.gather(outcome(*case))
        if raised is not None:
            print(json.dumps([name, [found for found in raised if found]]), flush=True)
