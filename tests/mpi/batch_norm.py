"""A small task whose model has running statistics, for tests of either engine."""

import torch
from torch import nn
from torch.utils.data import Subset, TensorDataset

from adsp_mpi.learn.task import Task


def task(read_one_by_one: bool = False) -> Task:
    """Two clouds of points, told apart by a network with batch normalisation."""
    generator = torch.Generator().manual_seed(1)
    classes = torch.arange(400) % 2
    points = torch.randn(400, 4, generator=generator) + 3.0 * classes[:, None] + 1.0

    def make_model() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))

    train, test = (points[:300], classes[:300]), (points[300:], classes[300:])
    if not read_one_by_one:
        return Task(make_model, train, test)
    return Task(make_model, *(Subset(TensorDataset(*d), range(len(d[0]))) for d in (train, test)))
