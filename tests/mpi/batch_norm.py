"""A small task whose model has running statistics, for tests of either engine."""

import torch
from torch import nn

from adsp_mpi.learn.task import Task


def task() -> Task:
    """Two clouds of points, told apart by a network with batch normalisation."""
    generator = torch.Generator().manual_seed(1)
    classes = torch.arange(400) % 2
    points = torch.randn(400, 4, generator=generator) + 3.0 * classes[:, None] + 1.0

    def make_model() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))

    return Task(make_model, (points[:300], classes[:300]), (points[300:], classes[300:]))
