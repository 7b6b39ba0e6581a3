"""Linear support vector machines: any CSV file, and the breast cancer data of scikit-learn."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.batch import Batch
from adsp_mpi.learn.task import Task
from adsp_mpi.learn.tasks.bundled import bundled
from adsp_mpi.learn.tasks.readers import Table, is_number, read_table, required_path

TEST_SHARE = 0.2
MIN_ROWS = 5
MAX_DISTINCT = 20
QUANTILES = 10


def svm(csv: str = "", target: str = "", l2: float = 1e-4, split_seed: int = 0) -> Task:
    """A linear SVM that predicts the column `target` of the file `csv`.

    The file's first line names its columns; every column but `target` must be numeric. See
    `target_classes` for the classes, `linear_svm` for the training. Raises UsageError for a missing
    `csv` or an unknown `target`, AdspError for a file with bad rows, and for a class of which all
    rows are held out.
    """
    table = read_table(required_path(csv, "csv", "a CSV file whose first line names its columns"))
    if target not in table.columns:
        raise UsageError(
            f"task.target = {target!r}: no column of {table.path}; "
            f"there are: {', '.join(table.columns)}"
        )
    if len(table.rows) < MIN_ROWS:
        raise AdspError(f"{table.path}: {len(table.rows)} rows are too few, {MIN_ROWS} are needed")
    features = [name for name in table.columns if name != target]
    if not features:
        raise AdspError(f"{table.path}: no column beside {target!r} to learn from")
    inputs = np.stack([table.numbers(name) for name in features], axis=1)
    held_out = held_out_rows(len(inputs), split_seed)
    classes = target_classes(table, target, held_out)
    task = linear_svm(inputs, classes, held_out, l2)
    require_training_rows(table, target, classes, held_out)
    return task


def cancer_svm(l2: float = 1e-4, split_seed: int = 0) -> Task:
    """A linear SVM (62 parameters) on scikit-learn's breast cancer data, 569 rows of 30 numbers.

    Class 0 is malignant, 1 benign. Options and training as in `svm`.
    """
    rows = np.loadtxt(bundled("breast_cancer.csv"), delimiter=",", skiprows=1)
    held_out = held_out_rows(len(rows), split_seed)
    return linear_svm(rows[:, :-1], rows[:, -1].astype(np.int64), held_out, l2)


def held_out_rows(num_rows: int, split_seed: int) -> np.ndarray:
    """Which rows are held out, bool[N]: a fifth of them, rounded down, drawn with `split_seed`."""
    if not isinstance(split_seed, int) or split_seed < 0:
        raise UsageError(f"task.split_seed = {split_seed!r} must be a whole number of at least 0")
    order = np.random.default_rng(split_seed).permutation(num_rows)
    return np.isin(np.arange(num_rows), order[: int(TEST_SHARE * num_rows)])


def target_classes(table: Table, target: str, held_out: np.ndarray) -> np.ndarray:
    """The class of each row, int64[N].

    For text, or at most 20 distinct numbers, it is the place of the row's value among the sorted
    distinct values; for more numbers, the tenth of the training rows' values in which it lies. The
    column is numeric if its first value is a number. Raises AdspError if there are fewer than two
    classes, or if a row of a numeric column has no number.
    """
    texts = table.texts(target)
    values = table.numbers(target) if is_number(texts[0]) else np.array(texts)
    distinct, classes = np.unique(values, return_inverse=True)
    if len(distinct) < 2:
        raise AdspError(f"{table.path}: column {target!r} holds one value only, {texts[0]!r}")
    if len(distinct) <= MAX_DISTINCT or not is_number(texts[0]):
        return classes
    edges = np.quantile(values[~held_out], np.arange(1, QUANTILES) / QUANTILES)
    return np.searchsorted(edges, values, side="right")


def require_training_rows(
    table: Table, target: str, classes: np.ndarray, held_out: np.ndarray
) -> None:
    """Raise AdspError if all rows of some class are held out: it would never be learnt."""
    for missing in np.setdiff1d(classes, classes[~held_out])[:1]:
        value = table.texts(target)[int(np.argmax(classes == missing))]
        raise AdspError(
            f"{table.path}: column {target!r}: every row of the class of {value!r} is held out; "
            "give more rows of it, or another task.split_seed"
        )


def linear_svm(inputs: np.ndarray, classes: np.ndarray, held_out: np.ndarray, l2: float) -> Task:
    """The task of training one linear layer with hinge loss on float64[N, features], int64[N].

    The loss of a sample is the mean over all classes of max(0, 1 - right + other), with the scores
    of the right class and of each other one (Weston and Watkins 1999), plus `l2` times the squared
    norm of the weights. Inputs are standardised with the statistics of the training rows; columns
    that are constant there become zero. Raises UsageError for a negative `l2`.
    """
    if not isinstance(l2, (int, float)) or not 0 <= l2 < math.inf:
        raise UsageError(f"task.l2 = {l2!r} must be a number of at least 0")

    def loss(model: nn.Module, batch: Batch) -> torch.Tensor:
        return hinge(model, batch) + l2 * model.get_parameter("weight").square().sum()

    x, y = torch.from_numpy(standardised(inputs, ~held_out)), torch.from_numpy(classes)
    train, test = torch.from_numpy(~held_out), torch.from_numpy(held_out)
    return Task(
        make_model=lambda: nn.Linear(inputs.shape[1], int(classes.max()) + 1),
        train_data=(x[train], y[train]),
        test_data=(x[test], y[test]),
        loss=loss,
        metrics=accuracy_and_hinge,
    )


def standardised(inputs: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The columns, float32, standardised with mean and deviation of the `known` rows."""
    rows = inputs[known]
    constant = rows.min(axis=0) == rows.max(axis=0)
    deviation = np.where(constant, np.inf, rows.std(axis=0))
    return ((inputs - rows.mean(axis=0)) / deviation).astype(np.float32)


def hinge(model: nn.Module, batch: Batch) -> torch.Tensor:
    """The mean hinge loss of a batch (inputs, class indices), as in `linear_svm`."""
    inputs, classes = batch
    return functional.multi_margin_loss(model(inputs), classes)


def accuracy_and_hinge(model: nn.Module, batch: Batch) -> dict[str, float]:
    """The share of right classes in a batch (inputs, class indices), and the mean hinge loss."""
    inputs, classes = batch
    right = (model(inputs).argmax(dim=1) == classes).float().mean()
    return {"accuracy": right.item(), "loss": hinge(model, batch).item()}
