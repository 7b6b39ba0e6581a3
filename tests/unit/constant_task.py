"""A task whose gradient is 1 everywhere: models are the exact sums of the steps in them."""

import torch
from torch import nn

from adsp_mpi.learn.task import Task

RATE = 2.0**-6
"""A learning rate at which a few hundred steps add up exactly in float32."""


def make_model() -> nn.Module:
    module = nn.Linear(4, 1)
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def make() -> Task:
    """The loss is the sum of the five parameters, and 1e4 to be above every target."""
    data = (torch.zeros(64, 1),)
    return Task(
        make_model,
        data,
        data,
        loss=lambda module, batch: sum(p.sum() for p in module.parameters()) + 1e4,
        metrics=lambda module, batch: {},
        name="constant",
    )
