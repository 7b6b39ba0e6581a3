"""Fatigue of high-speed-train bogies: predicts the next stress from the last ten values.

Hu, Wang, Wu, "Distributed Machine Learning through Heterogeneous Edge Systems" (AAAI 2020) train
this LSTM on measured stress; the exact edges of their classes are not published.
"""

import numpy as np
import torch

from adsp_mpi.errors import AdspError
from adsp_mpi.learn.task import Task
from adsp_mpi.learn.tasks.lstm import SequenceClassifier
from adsp_mpi.learn.tasks.readers import read_series, required_path

WINDOW = 10
CLASSES = 10
TEST_SHARE = 0.2


def fatigue(file: str = "") -> Task:
    """An LSTM of 128 units (68,362 parameters) on the stress values in `file`, one per line.

    Window i is the values i to i + 9, float32[10, 1]; its class is that of value i + 10, see
    `density_classes`. The last 20% of the windows in time, rounded up, are held out. Windows and
    classes are standardised with the mean and deviation of the values in training windows, so
    nothing is learnt from a value that is a held-out answer. Raises UsageError without `file`,
    AdspError for a bad row, fewer than 12 values, or training values that are all the same.
    """
    path = required_path(file, "file", "a text file with one stress value per line")
    values = read_series(path)
    num_windows = len(values) - WINDOW
    if num_windows < 2:
        raise AdspError(f"{path}: {len(values)} rows are too few, at least {WINDOW + 2} are needed")
    num_train = num_windows - int(np.ceil(TEST_SHARE * num_windows))
    known = values[: num_train + WINDOW]
    if known.min() == known.max():
        raise AdspError(f"{path}: the values of the first {len(known)} rows are all the same")
    standardised = (values - known.mean()) / known.std()
    windows = torch.from_numpy(standardised).float().unfold(0, WINDOW, 1)[:-1].unsqueeze(-1)
    classes = torch.from_numpy(density_classes(standardised[WINDOW:]))
    return Task(
        make_model=lambda: SequenceClassifier(features=1, units=128, classes=CLASSES),
        train_data=(windows[:num_train], classes[:num_train]),
        test_data=(windows[num_train:], classes[num_train:]),
    )


def density_classes(standardised: np.ndarray) -> np.ndarray:
    """The class of each value, int64[N], by the height of the normal density at it.

    The height relative to the peak, exp(-z^2 / 2), is cut into five steps of equal size. Below the
    mean, where the density rises with z, the classes are 0 (lowest step, far below) to 4 (next to
    the mean); from the mean on, where it falls, 5 (next to the mean) to 9 (far above).
    """
    half = CLASSES // 2
    height = np.exp(-(standardised**2) / 2)
    step = np.minimum((height * half).astype(np.int64), half - 1)
    return np.where(standardised < 0, step, CLASSES - 1 - step)
