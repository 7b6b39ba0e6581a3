"""A task as a run's workload on one rank."""

from typing import Any, Callable, Sequence

from adsp_mpi.config import Config
from adsp_mpi.core.callbacks import NO_CALLBACKS, Callbacks
from adsp_mpi.learn.batch import in_memory
from adsp_mpi.learn.device import find_device
from adsp_mpi.learn.evaluator import Evaluator
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.partition import parse_partition
from adsp_mpi.learn.task import Task, data_lines, notes_on
from adsp_mpi.learn.tasks import make_task
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.learn.workload import notes_on_commits
from adsp_mpi.runtime.data_shares import DataShares
from adsp_mpi.runtime.local_step import commits_gradients
from adsp_mpi.runtime.threads import own_cores


class TaskWorkload:
    """The model of `task`, on the device of this rank, and its data in `num_shares` shares."""

    loggers = ()

    def __init__(
        self,
        task: Task,
        config: Config,
        num_shares: int,
        node_rank: int,
        callbacks: Callbacks = NO_CALLBACKS,
    ) -> None:
        self.callbacks = callbacks
        self._task = task
        self._config = config
        self._shares = DataShares(task, config, num_shares)
        self._trainer: Trainer | None = None
        self.name = task.name
        self.model = FlatModel(
            task.make_model(),
            find_device(config.run.device, node_rank),
            gradients=commits_gradients(task, config),
        )

    @property
    def notes(self) -> Sequence[str]:
        return [*notes_on(self._task), *self._notes_on_loaders(), *notes_on_commits(self.model)]

    def _notes_on_loaders(self) -> list[str]:
        loaders, cores = self._config.train.loaders, len(own_cores()[1])
        if loaders and in_memory(self._task.train_data, self._task.collate):
            return ["train.loaders changes nothing: the training data are tensors"]
        if loaders > cores:
            return [
                f"train.loaders = {loaders}, but rank 0 may use no more than {cores} of its host's "
                "cores: as many processes help only where they wait for files"
            ]
        return []

    @property
    def shared(self) -> Sequence[str]:
        own = parse_partition(self._config.train.partition)[0] == "own"
        return [] if own else data_lines(self._task.train_data)

    def training(self, share: int) -> Trainer:
        self.close()
        self._trainer = self._shares.trainer(share, self.model, self._config.train.loaders)
        return self._trainer

    def step(self, batch_size: int) -> float | None:
        """Take a step with the `training` made last; returns its loss, None if it is unknown."""
        assert self._trainer
        return self._trainer.step(batch_size)

    def close(self) -> None:
        """End the processes of the `training` made last."""
        if self._trainer:
            self._trainer.close()

    def judge(self) -> Evaluator:
        of, seed, loaders = self._config.eval, self._config.run.seed, self._config.train.loaders
        return Evaluator(self._task, self.model, of.samples, seed, of.batch_size, loaders)

    def attributes(self, share: int) -> dict[str, Any]:
        return self._shares.attributes(share)


def task_workload(
    task: Task | None, callbacks: Callbacks = NO_CALLBACKS
) -> Callable[[Config, int, int], TaskWorkload]:
    """Makes the workload of `task`, or else of the configured one, on a rank.

    Called with the configuration, the number of shares and the rank's number on its host.
    """

    def make(config: Config, num_shares: int, node_rank: int) -> TaskWorkload:
        chosen = task or make_task(config.task.name, config.task.options)
        return TaskWorkload(chosen, config, num_shares, node_rank, callbacks)

    return make
