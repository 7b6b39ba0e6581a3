"""BSP with random seeded sleeps in every rank, for given numbers of rounds and ranks.

The task is small softmax regression, so that the test can redo it in float64.
"""

import sys
import time

import numpy as np
import torch
from mpi4py import MPI
from torch import nn

import adsp_mpi
from adsp_mpi.config import Config
from adsp_mpi.layers import layer_of
from adsp_mpi.learn.task import cross_entropy
from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.run import run

SAMPLES, FEATURES, CLASSES = 240, 6, 4
DECAY = {"lr_decay": 0.9, "lr_decay_steps": 20.0}


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


def main(out: str, rounds: int, sizes: list[int]) -> None:
    """A run on the first ranks alone, for each of `sizes`, into `out`/SIZE."""
    for size in sizes:
        inside = MPI.COMM_WORLD.rank < size
        comm = MPI.COMM_WORLD.Split(0 if inside else MPI.UNDEFINED, MPI.COMM_WORLD.rank)
        if inside:
            settings = {
                "run": {"out": f"{out}/{size}", "seed": 9, "screen": "quiet"},
                "train": {
                    "batch_size": 8,
                    "local_lr": 0.2,
                    "lr_decay": 0.9,
                    "lr_decay_steps": 20.0,
                },
                "sync": {"model": "bsp"},
                "stop": {"max_steps": rounds},
            }
            config = Config().with_layers(layer_of(settings, "test"))
            run(config, make_task(np.random.default_rng([1, comm.rank])), comm)
        wait_for([MPI.COMM_WORLD.Ibarrier()])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), [int(size) for size in sys.argv[3:]])
