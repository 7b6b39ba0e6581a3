"""Evaluates a task's global model."""

from typing import Iterator

import numpy as np
import torch
from torch.utils.data import Dataset

from adsp_mpi.errors import AdspError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.metric import accumulates, value_of
from adsp_mpi.learn.reading import FixedBatches
from adsp_mpi.learn.task import Task, checked_loss, checked_metrics, data_length


class Evaluator:
    """The global loss on a fixed sample of the training data, and metrics on held-out data.

    It looks at `samples` of each, or all if that is 0, in batches of at most `batch_size`. Tensors
    are on the device from the start; a Dataset is read anew for every evaluation, if there are
    `loaders` in that many processes.

    Raises AdspError without training data, and from `evaluate` where the task's loss or metrics
    are not numbers.
    """

    def __init__(
        self,
        task: Task,
        model: FlatModel,
        samples: int,
        seed: int,
        batch_size: int = 256,
        loaders: int = 0,
    ) -> None:
        if not data_length(task.train_data):
            raise AdspError(
                "the server (rank 0) has no training data: the global loss is evaluated on them"
            )
        self._task = task
        self._model = model

        def batches(data: Dataset) -> FixedBatches:
            chosen = _chosen(data_length(data), samples, seed)
            parts = [chosen[i : i + batch_size] for i in range(0, len(chosen), batch_size)]
            return FixedBatches(task, data, parts, model.values.device, loaders, seed)

        self._train, self._test = batches(task.train_data), batches(task.test_data)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """`loss`, the mean over the training sample, and `test_*`, the task's own metrics."""
        module = self._model.module
        module.eval()
        losses = ((n, float(checked_loss(self._task.loss(module, b)))) for n, b in self._train)
        result = {"loss": _mean(losses)}
        metrics = [(n, checked_metrics(self._task.metrics(module, b))) for n, b in self._test]
        names = list(metrics[0][1]) if metrics else []
        if odd := next((list(values) for _, values in metrics if list(values) != names), None):
            raise AdspError(
                f"the task's metrics must have the same names for every batch; one batch has "
                f"{names}, another {odd}"
            )
        for name in names:
            last = metrics[-1][1][name]
            in_all = accumulates(last)
            pairs = ((n, values[name]) for n, values in metrics)
            result[f"test_{name}"] = value_of(last) if in_all else _mean(pairs)
        return result


def _chosen(total: int, samples: int, seed: int) -> np.ndarray:
    """The samples to look at, int64, in their order: all of `total`, or `samples` of them."""
    if not 0 < samples < total:
        return np.arange(total)
    return np.sort(np.random.default_rng([seed, 0xE7A1]).choice(total, samples, replace=False))


def _mean(weighted: Iterator[tuple[int, float]]) -> float:
    pairs = list(weighted)
    return sum(n * value for n, value in pairs) / sum(n for n, _ in pairs)
