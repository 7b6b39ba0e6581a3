"""BSP with random seeded sleeps in every rank, for given numbers of rounds and ranks.

The task is small softmax regression, so that the test can redo it in float64. One more run, on as
many ranks as the last but one, trains with AdamW.
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
SGD = {"local_lr": 0.2, "lr_decay": 0.9, "lr_decay_steps": 20.0}
ADAMW = {"optimizer": "adamw", "local_lr": 0.02}


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
    """Runs on the first ranks alone: for each of `sizes` into `out`/SIZE, one into `out`/adamw."""
    for name, size in [*((str(size), size) for size in sizes), ("adamw", sizes[-2])]:
        inside = MPI.COMM_WORLD.rank < size
        comm = MPI.COMM_WORLD.Split(0 if inside else MPI.UNDEFINED, MPI.COMM_WORLD.rank)
        if inside:
            settings = {
                "run": {"out": f"{out}/{name}", "seed": 9, "screen": "quiet"},
                "train": {
                    "batch_size": 8,
                    "partition": "iid",
                    **(ADAMW if name == "adamw" else SGD),
                },
                "sync": {"model": "bsp"},
                "stop": {"max_steps": rounds},
            }
            config = Config().with_layers(layer_of(settings, "test"))
            run(config, make_task(np.random.default_rng([1, comm.rank])), comm)
        wait_for([MPI.COMM_WORLD.Ibarrier()])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), [int(size) for size in sys.argv[3:]])
