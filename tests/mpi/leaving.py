"""Ranks that fail or leave, one case after the other under one mpirun.

Rank 0 prints a line of JSON for each case: its name and what every rank raised. In the last one
rank 1 leaves the program while the others begin a run, in the way that the argument says.
"""

import json
import sys
from typing import Any, Callable

import torch
from mpi4py import MPI
from torch import nn

import adsp_mpi

COMM = MPI.COMM_WORLD
ODD = COMM.rank == 1


def make_task(**parts: Any) -> adsp_mpi.Task:
    data = (torch.ones(60, 2), torch.ones(60))
    wanted: dict[str, Any] = {
        "make_model": lambda: nn.Linear(2, 1),
        "train_data": data,
        "test_data": data,
        "loss": lambda model, batch: model(batch[0]).mean(),
        "metrics": lambda model, batch: {"x": 0.0},
    }
    return adsp_mpi.Task(**(wanted | parts))


def leaves_model() -> nn.Module:
    if ODD:
        sys.exit(7)
    return nn.Linear(2, 1)


def leaves_loss(model: nn.Module, batch: Any) -> torch.Tensor:
    if ODD:
        sys.exit()
    return model(batch[0]).mean()


CASES: dict[str, Callable[[], adsp_mpi.Task]] = {
    "exits in the model": lambda: make_task(make_model=leaves_model),
    "exits in the loss": lambda: make_task(loss=leaves_loss),
    "good": make_task,
}
SETTINGS = {"run": {"screen": "quiet"}, "stop": {"max_steps": 5}}


def outcome(task: Callable[[], adsp_mpi.Task]) -> str:
    try:
        adsp_mpi.train(task(), SETTINGS)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return ""


if __name__ == "__main__":
    for name, case in CASES.items():
        raised = COMM.gather(outcome(case))
        if raised is not None:
            print(json.dumps([name, raised]), flush=True)
    if ODD and sys.argv[1] == "raises":
        raise ValueError("before the run")
    if ODD:
        sys.exit(0)
    adsp_mpi.train(make_task(), SETTINGS)
