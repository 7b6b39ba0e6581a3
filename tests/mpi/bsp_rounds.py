"""BSP with random seeded sleeps in every rank, for a given number of rounds.

The task is small softmax regression, so that the test can redo it in float64.
"""

import sys
import time

import numpy as np
import torch
from torch import nn

import adsp_mpi
from adsp_mpi.learn.task import cross_entropy

SAMPLES, FEATURES, CLASSES = 240, 6, 4


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(11)
    x = torch.randn(SAMPLES, FEATURES, generator=generator)
    return x, (x @ torch.randn(FEATURES, CLASSES, generator=generator)).argmax(1)


def make_model() -> nn.Module:
    torch.manual_seed(4)
    return nn.Linear(FEATURES, CLASSES)


def make_task(sleeps: np.random.Generator | None) -> adsp_mpi.Task:
    def loss(model: nn.Module, batch: tuple) -> torch.Tensor:
        if sleeps is not None and model.training:
            time.sleep(sleeps.exponential(2e-3))
        return cross_entropy(model, batch)

    return adsp_mpi.Task(make_model, data(), data(), loss)


if __name__ == "__main__":
    from mpi4py import MPI

    out, rounds = sys.argv[1], int(sys.argv[2])
    settings = {
        "run": {"out": out, "seed": 9, "screen": "quiet"},
        "train": {"batch_size": 8, "local_lr": 0.2, "lr_decay": 0.9, "lr_decay_steps": 20.0},
        "sync": {"model": "bsp"},
        "stop": {"max_steps": rounds},
    }
    adsp_mpi.train(make_task(np.random.default_rng([1, MPI.COMM_WORLD.rank])), settings)
