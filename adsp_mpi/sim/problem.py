"""What the simulator trains: the global model's numbers and one learner per worker."""

from pathlib import Path
from typing import Any, Protocol, Sequence

import numpy as np
import torch

from adsp_mpi.config import Config
from adsp_mpi.core.registry import load
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.random_state import put_random_state, random_state
from adsp_mpi.learn.replica import Replica
from adsp_mpi.learn.task import Task, notes_on
from adsp_mpi.learn.tasks import make_task
from adsp_mpi.learn.trainer import Evaluator, Trainer
from adsp_mpi.runtime.data_shares import DataShares, torch_seed

PROBLEMS = {"quadratic": "adsp_mpi.sim.quadratic:quadratic"}
"""Problems that only the simulator knows, by name; every task is one too."""


class Learner(Protocol):
    """One worker's numerics; vectors are float32[P] on the host. See `Replica`."""

    @property
    def num_rebased(self) -> int:
        """R: updates of the first R numbers add up, those of the others are averaged."""

    @property
    def answer(self) -> np.ndarray:
        """Where a commit or a pull puts the global model."""

    @property
    def update(self) -> np.ndarray:
        """The update that was taken last."""

    def step(self, batch_size: int) -> float:
        """One local SGD step; the mini-batch's loss before it."""

    def take_update(self, factor: float) -> np.ndarray:
        """`factor` times what was learnt since the base; valid until the next one is taken."""

    def before_landing(self, values: np.ndarray) -> None:
        """The update is about to be added to `values`."""

    def replace(self, keep_local: bool) -> None:
        """The local model becomes `answer`, if `keep_local` plus what was learnt."""


class Problem(Protocol):
    """What is trained; the model's numbers are `values`, float32[P], and belong to the engine."""

    name: str
    values: np.ndarray
    notes: Sequence[str]
    """What the user should know before the run, a line each."""
    num_trained: int
    """T: the first T numbers are trained, the others are buffers."""

    def learner(self, worker: int) -> Learner:
        """The numerics of `worker`, made once, in the order of the workers."""

    def attributes(self, worker: int) -> dict[str, Any]:
        """What the trace says about the data of `worker`."""

    def evaluate(self) -> dict[str, float]:
        """Metrics of `values` as they are now, with at least `loss`."""

    def save(self, values: np.ndarray, folder: Path) -> Path:
        """Write the model with these `values` into a file of `folder`."""

    def state_dict(self) -> dict[str, Any]:
        """All but `values` that it and its learners remember."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on, with learners for as many workers, where the problem that gave `state` stood."""


def make_problem(config: Config, num_workers: int) -> Problem:
    """The problem that `[task]` names; UsageError where it does not exist."""
    name, options = config.task.name, config.task.options
    if name not in PROBLEMS:
        return TorchProblem(config, num_workers, make_task(name, options))
    try:
        return load("problem", name, PROBLEMS, "factory")(config, num_workers, **options)
    except TypeError as error:
        raise UsageError(
            f"task {name!r}: {error}; its options: dimensions, condition, noise, start"
        ) from error


class TorchLearner(Replica):
    """A replica with its trainer."""

    def __init__(self, trainer: Trainer, model: FlatModel, same_base: bool, share: float) -> None:
        super().__init__(model, same_base)
        self.trainer = trainer
        self._share = share

    def step(self, batch_size: int) -> float:
        return self.trainer.step(batch_size)

    def before_landing(self, values: np.ndarray) -> None:
        if self.averages_buffers:
            self.buffers_answer[:] = values[self.first_buffer :]
            self.average_buffers(self._share)


class TorchProblem:
    """A task: every worker has a module of its own, as it would on its own rank."""

    def __init__(self, config: Config, num_workers: int, task: Task) -> None:
        torch.set_num_threads(config.run.threads)
        if config.run.device != "cpu":
            raise UsageError("simulate computes on the CPU; leave out --device")
        self._config = config
        self._task = task
        self._shares = DataShares(task, config, num_workers)
        self._model = self._make_model(0)
        self._learners: list[TorchLearner] = []
        self.name = task.name
        self.notes = notes_on(task)
        self.values = self._model.values.numpy()
        self.num_trained = self._model.num_trainable
        self._evaluator = Evaluator(task, self._model, config.eval.samples, config.run.seed)

    def _make_model(self, rank: int) -> FlatModel:
        torch.manual_seed(torch_seed(self._config, rank))
        return FlatModel(self._task.make_model(), torch.device("cpu"))

    def learner(self, worker: int) -> TorchLearner:
        model = self._make_model(worker + 1)
        model.require_layout(self._model.layout, "the model that the task made first")
        trainer = self._shares.trainer(worker, model)
        same_base = self._config.sync_model.same_base
        learner = TorchLearner(trainer, model, same_base, 1.0 / self._shares.num_workers)
        self._learners.append(learner)
        return learner

    def attributes(self, worker: int) -> dict[str, Any]:
        return self._shares.attributes(worker)

    def evaluate(self) -> dict[str, float]:
        return self._evaluator.evaluate()

    def save(self, values: np.ndarray, folder: Path) -> Path:
        self.values[:] = values
        torch.save(self._model.module.state_dict(), folder / "model.pt")
        return folder / "model.pt"

    def state_dict(self) -> dict[str, Any]:
        return {
            "layout": self._model.layout,
            "random": random_state(),
            "learners": [
                [learner.state_dict(), learner.trainer.state_dict()] for learner in self._learners
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._model.require_layout(state["layout"], "the checkpoint")
        put_random_state(state["random"])
        for learner, (replica, trainer) in zip(self._learners, state["learners"], strict=True):
            learner.load_state_dict(replica)
            learner.trainer.load_state_dict(trainer)
