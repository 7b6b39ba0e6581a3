"""What the simulator trains: a problem with one learner per worker, by torch or without."""

from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Callable, Protocol, Sequence

import numpy as np
import torch

from adsp_mpi.config import Config
from adsp_mpi.core.callbacks import NO_CALLBACKS, Callbacks
from adsp_mpi.core.dealing import Hand
from adsp_mpi.core.registry import load
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.evaluator import Evaluator
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.model_file import write_model
from adsp_mpi.learn.random_state import put_random_state, random_state
from adsp_mpi.learn.replica import Replica
from adsp_mpi.learn.task import Task, notes_on
from adsp_mpi.learn.tasks import make_task, task_factory
from adsp_mpi.learn.workload import Logger, Training, notes_on_commits
from adsp_mpi.runtime.data_shares import DataShares, torch_seed
from adsp_mpi.runtime.local_step import commits_gradients
from adsp_mpi.runtime.threads import fair_threads, own_cores

PROBLEMS = {"quadratic": "adsp_mpi.sim.quadratic:quadratic"}
"""Problems that only the simulator has, by name; every task is a problem too."""


class Learner(Protocol):
    """One worker's local model, steps and updates, as `Replica`; vectors are host float32[P]."""

    @property
    def idle_s(self) -> float:
        """The seconds of something else than a step before the last one."""

    @property
    def num_rebased(self) -> int:
        """R: updates of the first R numbers are summed, those of the others averaged."""

    @property
    def answer(self) -> np.ndarray:
        """The buffer into which a commit or a pull puts the global model."""

    @property
    def update(self) -> np.ndarray:
        """The last update taken."""

    @property
    def hand(self) -> Hand | None:
        """The samples dealt to it; None if it has its own."""

    def step(self, batch_size: int) -> float | None:
        """Take one local step; returns the mini-batch's loss before it, None if it is unknown.

        Raises `NoMoreSteps` where the worker will take no step any more.
        """

    def is_finite(self) -> bool:
        """Whether all numbers of the local model are finite."""

    def take_update(self, factor: float) -> np.ndarray:
        """Take `factor` * (local - base) as the update, valid until the next one is taken."""

    def before_landing(self, values: np.ndarray) -> None:
        """Called before the update is added to `values`, to average buffers."""

    def take_share(self, share: int) -> None:
        """Train on this share of the data from here on."""

    def keep_snapshot(self) -> None:
        """As in `Training`, like the two methods below."""

    def return_to_snapshot(self) -> None: ...

    def begin_anew(self) -> None: ...

    def replace(self, keep_local: bool) -> None:
        """The local model becomes `answer`, plus local - base if `keep_local`."""


class Problem(Protocol):
    """A model to train, with its data; the engine owns the global model, `values`, float32[P]."""

    name: str
    values: np.ndarray
    notes: Sequence[str]
    """Lines that the user should see before the run."""
    num_trained: int
    """T: the first T numbers are trained; the others are buffers."""

    @property
    def model(self) -> FlatModel | None:
        """Rank 0's model as one vector; None: the problem is without torch."""

    @property
    def loggers(self) -> Sequence[Logger]:
        """Functions to call after every evaluation."""

    def callbacks(self, rank: int) -> Callbacks:
        """The user's functions to call on this rank; worker i is rank i + 1."""

    def learner(self, worker: int) -> Learner:
        """Make the learner of `worker`; called once for each worker, in order."""

    def begin(self, progress: Callable[[], float]) -> None:
        """All learners are made; `progress()` is the share of the run that is done, 0 to 1."""

    def attributes(self, worker: int) -> dict[str, Any]:
        """The trace's attributes about the data of `worker`."""

    def evaluate(self) -> dict[str, float]:
        """The metrics of the present `values`, with at least `loss`.

        {} where the loss of the workers' steps is to stand for it.
        """

    def save(self, values: np.ndarray, path: Path) -> Path:
        """Write the model with these `values` to `path`, or with another ending; returns where."""

    def state_dict(self) -> dict[str, Any]:
        """The state of the problem and its learners, without `values`."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`, once as many learners are made as it has."""


def make_problem(config: Config, num_workers: int) -> Problem:
    """The problem that `[task]` names; UsageError if there is none."""
    name, options = config.task.name, config.task.options
    if name not in PROBLEMS:
        return TorchProblem(config, num_workers, make_task(name, options))
    try:
        return _problem_factory(name)(config, num_workers, **options)
    except TypeError as error:
        known = ", ".join(argument.name for argument in task_arguments(name))
        raise UsageError(f"task {name!r}: {error}; its options: {known}") from error


def task_arguments(name: str) -> list[Parameter]:
    """The arguments that a task's factory takes by name; UsageError if there is no such task."""
    simulated = name in PROBLEMS
    factory = _problem_factory(name) if simulated else task_factory(name)
    named = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    found = [arg for arg in signature(factory).parameters.values() if arg.kind in named]
    return found[2:] if simulated else found  # a problem also takes config and number of workers


def _problem_factory(name: str) -> Callable[..., Problem]:
    factory: Callable[..., Problem] = load("problem", name, PROBLEMS, "factory")
    return factory


class ReplicaLearner(Replica):
    """A learner made of the replica and the training of a rank under MPI.

    A commit moves the server's buffers by `buffer_share` of the difference from the worker's.
    """

    def __init__(
        self, model: FlatModel, same_base: bool, training: Training, buffer_share: float
    ) -> None:
        super().__init__(model, same_base)
        self.training = training
        self.hand = training.hand
        self.take_share = training.take_share
        self.keep_snapshot = training.keep_snapshot
        self.return_to_snapshot = training.return_to_snapshot
        self.begin_anew = training.begin_anew
        self._buffer_share = buffer_share

    @property
    def idle_s(self) -> float:
        return 0.0

    def before_landing(self, values: np.ndarray) -> None:
        if self.averages_buffers:
            self.buffers_answer[:] = values[self.first_buffer :]
            self.average_buffers(self._buffer_share)


class TorchLearner(ReplicaLearner):
    """A learner on a share of a task's data."""

    def __init__(self, shares: DataShares, share: int, model: FlatModel, same_base: bool) -> None:
        trainer = shares.trainer(share, model)
        super().__init__(model, same_base, trainer, 1.0 / shares.num_workers)
        self.step = trainer.step


class TorchProblem:
    """A task as a problem: every worker has a module of its own, as on a rank of its own."""

    def __init__(self, config: Config, num_workers: int, task: Task) -> None:
        torch.set_num_threads(fair_threads(config.run.threads, 0, [own_cores()]))
        if config.run.device != "cpu":
            raise UsageError("simulate computes on the CPU; leave out --device")
        self._config = config
        self._task = task
        self._shares = DataShares(task, config, num_workers - config.run.spares)
        self.model = self._make_model(0)
        self._learners: list[TorchLearner] = []
        self.name = task.name
        self.loggers = ()
        self.notes: Sequence[str] = [*notes_on(task), *notes_on_commits(self.model)]
        self.values = self.model.values.numpy().copy()
        self.num_trained = self.model.num_trainable
        of = config.eval
        self._evaluator = Evaluator(task, self.model, of.samples, config.run.seed, of.batch_size)

    def callbacks(self, rank: int) -> Callbacks:
        return NO_CALLBACKS

    def _make_model(self, rank: int) -> FlatModel:
        torch.manual_seed(torch_seed(self._config, rank))
        gradients = commits_gradients(self._task, self._config)
        return FlatModel(self._task.make_model(), torch.device("cpu"), gradients=gradients)

    def learner(self, worker: int) -> TorchLearner:
        model = self._make_model(worker + 1)
        model.require_layout(self.model.layout, "the model that the task made first")
        for own, first in zip(model.at_home.values(), self.model.at_home.values(), strict=True):
            own.detach().copy_(first.detach())
        share = worker % self._shares.num_workers
        learner = TorchLearner(self._shares, share, model, self._config.sync_model.same_base)
        self._learners.append(learner)
        return learner

    def begin(self, progress: Callable[[], float]) -> None:
        for learner in self._learners:
            learner.training.progress = progress

    def attributes(self, worker: int) -> dict[str, Any]:
        return self._shares.attributes(worker % self._shares.num_workers)

    def evaluate(self) -> dict[str, float]:
        self.model.load(torch.from_numpy(self.values))
        return self._evaluator.evaluate()

    def save(self, values: np.ndarray, path: Path) -> Path:
        self.model.load(torch.from_numpy(values))
        write_model(self.model.module.state_dict(), path)
        return path

    def state_dict(self) -> dict[str, Any]:
        return {
            "layout": self.model.layout,
            "random": random_state(),
            "learners": [
                [learner.state_dict(), learner.training.state_dict()] for learner in self._learners
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.require_layout(state["layout"], "the checkpoint")
        put_random_state(state["random"])
        for learner, (replica, training) in zip(self._learners, state["learners"], strict=True):
            learner.load_state_dict(replica)
            learner.training.load_state_dict(training)
