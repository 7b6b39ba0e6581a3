"""The training loop without this package: the same model, data and batches in plain PyTorch."""

from time import perf_counter

import numpy as np
import torch

from adsp_mpi.learn.batch import gather_batch
from adsp_mpi.learn.task import Task, data_length


class BareLoop:
    """SGD on a task's model, mini-batches from shuffled passes over its training data."""

    def __init__(self, task: Task, batch_size: int, learning_rate: float) -> None:
        self._task = task
        self._batch_size = batch_size
        self._model = task.make_model()
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=learning_rate)
        self._order = np.zeros(0, np.int64)
        self._generator = np.random.default_rng(0)

    def step(self) -> float:
        """Train one mini-batch; returns its loss."""
        if len(self._order) < self._batch_size:
            self._order = self._generator.permutation(data_length(self._task.train_data))
        chosen, self._order = self._order[: self._batch_size], self._order[self._batch_size :]
        task, indices = self._task, torch.from_numpy(chosen)
        batch = gather_batch(task.train_data, indices, torch.device("cpu"), task.collate)
        loss = task.loss(self._model, batch)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.item()

    def step_s(self, steps: int) -> float:
        """Mean seconds per step over `steps` steps."""
        begun = perf_counter()
        for _ in range(steps):
            self.step()
        return (perf_counter() - begun) / steps
