"""Evaluates a task's global model."""

from typing import Iterator

import numpy as np
import torch
from torch.utils.data import Dataset

from adsp_mpi.errors import AdspError
from adsp_mpi.learn.batch import Batch, gather_batch
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.metric import accumulates, value_of
from adsp_mpi.learn.task import Task, checked_loss, checked_metrics, data_length


class Evaluator:
    """The global loss on a fixed sample of the training data, and metrics on held-out data.

    Raises AdspError without training data, and from `evaluate` where the task's loss or metrics
    are not numbers.
    """

    def __init__(self, task: Task, model: FlatModel, samples: int, seed: int) -> None:
        if not data_length(task.train_data):
            raise AdspError(
                "the server (rank 0) has no training data: the global loss is evaluated on them"
            )
        self._task = task
        self._model = model
        self._device = model.values.device
        self._train = self._batches(task.train_data, samples, seed)
        self._test = self._batches(task.test_data, samples, seed)

    def _batches(self, data: Dataset, samples: int, seed: int, size: int = 256) -> list[Batch]:
        total = data_length(data)
        chosen = np.arange(total)
        if 0 < samples < total:
            generator = np.random.default_rng([seed, 0xE7A1])
            chosen = np.sort(generator.choice(total, samples, replace=False))
        parts = (torch.from_numpy(chosen[i : i + size]) for i in range(0, len(chosen), size))
        collate = self._task.collate
        return [(len(part), gather_batch(data, part, self._device, collate)) for part in parts]

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


def _mean(weighted: Iterator[tuple[int, float]]) -> float:
    pairs = list(weighted)
    return sum(n * value for n, value in pairs) / sum(n for n, _ in pairs)
