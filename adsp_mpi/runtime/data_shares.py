"""Divides a task's training data into shares, one for each worker."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from adsp_mpi.config import Config
from adsp_mpi.learn.partition import SHARED, label_histogram, make_partition
from adsp_mpi.runtime.local_step import learning_rate, local_step

if TYPE_CHECKING:
    from adsp_mpi.learn.flat import FlatModel
    from adsp_mpi.learn.task import Task
    from adsp_mpi.learn.trainer import Trainer


MAX_LABELS = 1000


@dataclass(frozen=True)
class DataShares:
    """A task's training data in `num_workers` shares."""

    task: "Task"
    config: Config
    num_workers: int

    def trainer(self, share: int, model: "FlatModel", loaders: int = 0) -> "Trainer":
        """Make a trainer on a share of the data, before its first step.

        With `loaders` that many processes read the samples ahead.
        """
        from adsp_mpi.learn.sample_order import BatchOrder, DealtOrder, Order
        from adsp_mpi.learn.task import data_length
        from adsp_mpi.learn.trainer import Trainer

        train = self.config.train

        def order_of(share: int) -> Order:
            if train.partition == SHARED:
                num_samples = data_length(self.task.train_data)
                return DealtOrder(num_samples, self.num_workers, self.config.run.seed)
            generator = np.random.default_rng([self.config.run.seed, share])
            return BatchOrder(self._parts[share], generator)

        rate, how = learning_rate(self.config), local_step(self.task, self.config)
        return Trainer(self.task, model, order_of, share, rate, how, loaders)

    def attributes(self, share: int) -> dict[str, Any]:
        """The size of a share, and its number of samples by label as JSON.

        The JSON is "" if the data have no labels, or more labels than an attribute may hold.
        """
        part, labels = self._parts[share], self._labels
        histogram = {} if labels is None else label_histogram(labels, part)
        told = 0 < len(histogram) <= MAX_LABELS
        return {"samples": len(part), "labels": json.dumps(histogram) if told else ""}

    @cached_property
    def _labels(self) -> np.ndarray | None:
        from adsp_mpi.learn.task import labels_of

        return labels_of(self.task.train_data)

    @cached_property
    def _parts(self) -> list[np.ndarray]:
        """The indices of the training samples of each share."""
        from adsp_mpi.learn.task import data_length

        num_samples = data_length(self.task.train_data)
        spec, seed = self.config.train.partition, self.config.run.seed
        return make_partition(spec, self._labels, num_samples, self.num_workers, seed)


def torch_seed(config: Config, rank: int) -> int:
    """The seed of torch's generator when `rank` makes its model."""
    return int(np.random.SeedSequence([config.run.seed, rank]).generate_state(1)[0])
