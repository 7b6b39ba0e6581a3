"""CIFAR-10 from its binary files: 32 x 32 colour images of ten classes.

The format is that of https://www.cs.toronto.edu/~kriz/cifar.html: records of one byte for the
label and 3,072 for the image, first red, then green, then blue, row by row.
"""

from pathlib import Path
from typing import Callable

import numpy as np
import torch
from torch import nn

from adsp_mpi.errors import AdspError
from adsp_mpi.learn.batch import Batch
from adsp_mpi.learn.task import Task, accuracy, cross_entropy
from adsp_mpi.learn.tasks.readers import read_bytes, required_path

CLASSES = 10
SHAPE = (3, 32, 32)
RECORD_BYTES = 1 + 3 * 32 * 32

CHANNEL_MEAN = (125.3, 123.0, 113.9)
CHANNEL_DEVIATION = (63.0, 62.1, 66.7)
"""Mean and deviation of each channel over the pixels of the 50,000 training images."""


def cifar10(folder: str = "") -> Task:
    """The CNN of the TensorFlow tutorial on whole images: 1,756,426 parameters.

    That is the size that Hu, Wang, Wu (AAAI 2020) give; the tutorial itself crops images to
    24 x 24. `folder` and errors as in `read_folder`. Images stay uint8[3, 32, 32] in memory.
    """
    return _task(_tutorial_cnn, folder)


def cifar10_small(folder: str = "") -> Task:
    """A small CNN (39,338 parameters) on the same data, for quick runs."""
    return _task(_small_cnn, folder)


def _task(make_model: Callable[[], nn.Module], folder: str) -> Task:
    train_data, test_data = read_folder(folder)
    return Task(
        make_model=make_model,
        train_data=train_data,
        test_data=test_data,
        loss=lambda model, batch: cross_entropy(model, _normalised(batch)),
        metrics=lambda model, batch: accuracy(model, _normalised(batch)),
    )


def read_folder(folder: str) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    """Read training images from data_batch_*.bin in `folder`, held-out ones from test_batch.bin.

    Both are (uint8[N, 3, 32, 32], int64[N]). Raises UsageError without `folder`, AdspError if a
    file is missing, empty or truncated, or has an invalid label.
    """
    meaning = "a folder with data_batch_*.bin and test_batch.bin"
    path = required_path(folder, "folder", meaning)
    names = sorted(path.glob("data_batch_*.bin"))
    if not names:
        raise AdspError(f"{path}: no data_batch_*.bin there; set task.folder to {meaning}")
    return _tensors([read_records(name) for name in names]), _tensors(
        [read_records(path / "test_batch.bin")]
    )


def read_records(path: Path) -> np.ndarray:
    """The records of one file, uint8[N, 3073]; AdspError names the first invalid one."""
    content = np.frombuffer(read_bytes(path), np.uint8)
    whole, rest = divmod(len(content), RECORD_BYTES)
    if rest:
        raise AdspError(f"{path}, record {whole + 1}: truncated, {rest} of {RECORD_BYTES} bytes")
    records = content.reshape(-1, RECORD_BYTES)
    bad = np.flatnonzero(records[:, 0] >= CLASSES)
    if len(bad):
        raise AdspError(f"{path}, record {bad[0] + 1}: label {records[bad[0], 0]} is above 9")
    return records


def _tensors(files: list[np.ndarray]) -> tuple[torch.Tensor, ...]:
    records = np.concatenate(files)
    images = torch.from_numpy(records[:, 1:].reshape(-1, *SHAPE))
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def _normalised(batch: Batch) -> Batch:
    """Convert a batch's images, uint8[B, 3, 32, 32], to float32 with standardised channels."""
    images, classes = batch
    mean, deviation = (
        torch.tensor(channels, device=images.device).view(3, 1, 1)
        for channels in (CHANNEL_MEAN, CHANNEL_DEVIATION)
    )
    return (images - mean) / deviation, classes


def _tutorial_cnn() -> nn.Module:
    """The CNN; pools pad right and below as in TensorFlow, the norm's alpha is 0.001 / 9."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0),
        nn.Conv2d(64, 64, 5, padding=2),
        nn.ReLU(),
        nn.LocalResponseNorm(9, alpha=0.001, beta=0.75, k=1.0),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(64 * 8 * 8, 384),
        nn.ReLU(),
        nn.Linear(384, 192),
        nn.ReLU(),
        nn.Linear(192, CLASSES),
    )


def _small_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 64),
        nn.ReLU(),
        nn.Linear(64, CLASSES),
    )
