"""Handwritten digits, 8 x 8 pixels: 1,797 images that ship with scikit-learn."""

from typing import Callable

import numpy as np
import torch
from torch import nn

from adsp_mpi.learn.task import Task
from adsp_mpi.learn.tasks.bundled import bundled
from adsp_mpi.learn.tasks.lstm import SequenceClassifier

TEST_EVERY = 5


def digits_cnn() -> Task:
    """A small CNN (57,110 parameters) on the digits; every fifth image is held out."""
    return _digits(_small_cnn, (1, 8, 8))


def digits_mlp() -> Task:
    """One hidden layer of 100 units (7,510 parameters) on the digits; held out as above."""
    return _digits(_small_mlp, (64,))


def digits_lstm() -> Task:
    """An LSTM of 64 units (19,594 parameters) that reads a digit row by row; held out as above."""
    return _digits(lambda: SequenceClassifier(features=8, units=64, classes=10), (8, 8))


def _digits(make_model: Callable[[], nn.Module], shape: tuple[int, ...]) -> Task:
    """The task of classifying digits, given as float32 tensors of `shape` with values 0 to 1."""
    rows = np.loadtxt(bundled("digits.csv.gz"), delimiter=",", dtype=np.float32)
    x = torch.from_numpy(rows[:, :-1] / 16.0).reshape(-1, *shape)
    y = torch.from_numpy(rows[:, -1]).long()
    held_out = torch.arange(len(x)) % TEST_EVERY == 0
    return Task(
        make_model=make_model,
        train_data=(x[~held_out], y[~held_out]),
        test_data=(x[held_out], y[held_out]),
    )


def _small_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))


def _small_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )
