"""Users' own loops in virtual time: each simulated rank calls the user's function in a thread."""

from functools import partial
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np
import torch

from adsp_mpi.config import Config
from adsp_mpi.core.callbacks import Callbacks
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import Layer
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.model_file import write_model
from adsp_mpi.learn.random_state import seed_generators
from adsp_mpi.learn.steps import Idled, NoMoreSteps, Steps
from adsp_mpi.own_loop.host import PLACE, loop_config
from adsp_mpi.own_loop.workload import LoopWorkload
from adsp_mpi.runtime.data_shares import torch_seed
from adsp_mpi.runtime.same_everywhere import first_difference, settings_lines
from adsp_mpi.sim.baton import LoopThread, RandomStates
from adsp_mpi.sim.problem import ReplicaLearner


class Rank:
    """One simulated rank: rank 0 or a worker. It is the `Host` of its user's run."""

    simulated = True

    def __init__(
        self, number: int, function: Callable[[], Any], workers: int, generators: RandomStates
    ) -> None:
        self.server = number == 0
        self.index = number - 1
        self.workers = workers
        self.share = max(0, self.index), workers
        self.config = Config()
        self.workload: LoopWorkload | None = None
        self.results: Any = None
        """On rank 0, once the run is over."""

        self.is_over = False
        self.progress_now: Callable[[], float] = lambda: 0.0
        self._batch_size = 0
        self.idle_s = 0.0
        """The seconds in `run.idle()` before the last step."""

        self._loss: float | None = None
        self._has_left = False
        self.thread = LoopThread(number, lambda: self._call(function), generators, threads=1)

    @property
    def seed(self) -> int:
        return self.config.run.seed

    @property
    def progress(self) -> float:
        return self.progress_now()

    def steps(self) -> Steps[Any]:
        self.thread.park()
        while not self.is_over:
            try:
                loss = yield self._batch_size
            except NoMoreSteps:
                self._has_left = True
            else:
                if isinstance(loss, Idled):
                    self.idle_s += loss.seconds
                    continue
                self._loss = loss
            self.thread.park()
        return self.results

    def step(self, batch_size: int) -> float | None:
        """Let the user's loop take a step; its loss, if known.

        Raises `NoMoreSteps` where the loop has ended instead.
        """
        self._batch_size, self.idle_s = batch_size, 0.0
        if not (self._has_left or self.thread.ended):
            self.thread.go_on()
        if self._has_left or self.thread.ended:
            raise NoMoreSteps
        return self._loss

    def take_share(self, share: int) -> None:
        """Give the user's loop this share when it next asks for its own."""
        self.share = share, self.share[1]

    def _call(self, function: Callable[[], Any]) -> None:
        PLACE.prepare = self._prepare
        try:
            function()
        except SystemExit:
            if self.workload is None:
                raise

    def _prepare(self, layers: Sequence[Layer], workload: LoopWorkload) -> "Rank":
        if self.workload is not None:
            raise UsageError("join was called twice: a simulation is of one run")
        self.config = loop_config("simulate", layers)
        self.workload = workload.configured(self.config)
        self.thread.park()
        return self


class LoopLearner(ReplicaLearner):
    """A worker whose steps its user's loop takes."""

    def __init__(self, rank: Rank, model: FlatModel, same_base: bool) -> None:
        assert rank.workload
        self._rank = rank
        training = rank.workload.training(rank.index)
        super().__init__(model, same_base, training, 1.0 / rank.share[1])
        self.step = rank.step
        self.take_share = rank.take_share

    @property
    def idle_s(self) -> float:
        return self._rank.idle_s


class LoopProblem:
    """What the ranks of a user's loop train together. It is the `Problem` of a simulation.

    Every rank calls `function` with its random generators seeded by `seed`.
    """

    def __init__(self, function: Callable[[], Any], workers: int, seed: int) -> None:
        self._generators = RandomStates()
        self._seed = seed
        self._ranks = [
            Rank(number, function, workers, self._generators) for number in range(workers + 1)
        ]
        self._learners: list[LoopLearner] = []
        try:
            self._join()
        except BaseException:
            self.drop()
            raise

    def _join(self) -> None:
        """Let every rank come to its `join`, and begin behind it with rank 0's weights."""
        for rank in self._ranks:
            self._generators.give(rank.index + 1)
            seed_generators(self._seed)
            rank.thread.go_on()
            if rank.workload is None:
                raise UsageError("the function returned without a call of adsp_mpi.join")
        self._works = works = [rank.workload for rank in self._ranks if rank.workload]
        self._models = [work.model for work in works]
        self.config = self._ranks[0].config
        self._require_same("settings", [settings_lines(rank.config) for rank in self._ranks])
        self._require_same("models", [model.layout for model in self._models])
        self._require_own_parameters()
        first = self._models[0]
        for number, model in enumerate(self._models):
            for own, there in zip(model.at_home.values(), first.at_home.values(), strict=True):
                own.detach().copy_(there.detach())
            model.load(first.values)
            self._generators.give(number)
            seed_generators(torch_seed(self.config, number))
        self.name = works[0].name
        self.notes = works[0].notes
        self.loggers = works[0].loggers
        self.values = first.values.numpy().copy()
        self.num_trained = first.num_trainable
        self._judge = works[0].judge()
        shares = len(works) - 1 - self.config.run.spares
        for rank in self._ranks:
            rank.share = rank.share[0] % shares, shares

    @property
    def model(self) -> FlatModel:
        return self._models[0]

    def begin(self, progress: Callable[[], float]) -> None:
        """Let every rank come to where it asks for its first step."""
        for rank in self._ranks:
            rank.progress_now = progress
            rank.thread.go_on()

    def callbacks(self, rank: int) -> Callbacks:
        return self._works[rank].callbacks.after(partial(self._generators.give, rank))

    def learner(self, worker: int) -> LoopLearner:
        rank, model = self._ranks[worker + 1], self._models[worker + 1]
        learner = LoopLearner(rank, model, self.config.sync_model.same_base)
        self._learners.append(learner)
        return learner

    def attributes(self, worker: int) -> dict[str, Any]:
        return {}

    def evaluate(self) -> dict[str, float]:
        if self._judge is None:
            return {}
        self._generators.give(0)
        self._models[0].load(torch.from_numpy(self.values))
        return self._judge.evaluate()

    def save(self, values: np.ndarray, path: Path) -> Path:
        self._models[0].load(torch.from_numpy(values))
        write_model(self._models[0].module.state_dict(), path)
        return path

    def finish(self, results: Any) -> None:
        """The run is over: let every rank come to the end of its function."""
        self._ranks[0].results = results
        for rank in self._ranks:
            rank.is_over = True
            if not rank.thread.ended:
                rank.thread.go_on()

    def drop(self) -> None:
        """End all threads, wherever they stand."""
        for rank in self._ranks:
            rank.thread.drop()

    def state_dict(self) -> dict[str, Any]:
        return {
            "layout": self._models[0].layout,
            "random": self._generators.state_dict(),
            "learners": [[one.state_dict(), one.training.state_dict()] for one in self._learners],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._models[0].require_layout(state["layout"], "the checkpoint")
        for learner, (replica, training) in zip(self._learners, state["learners"], strict=True):
            learner.load_state_dict(replica)
            learner.training.load_state_dict(training)
        self._generators.load_state_dict(state["random"])

    def _require_own_parameters(self) -> None:
        held = [id(parameter) for model in self._models for parameter in model.trained]
        if len(set(held)) < len(held):
            raise UsageError(
                "several workers gave join the same model: in virtual time they are threads of one "
                "process, so make it in the function that trains, or simulate the script FILE.py"
            )

    def _require_same(self, what: str, lines_by_rank: Sequence[Sequence[str]]) -> None:
        names = ["this machine"] * len(lines_by_rank)
        if found := first_difference(lines_by_rank, names):
            raise UsageError(f"the ranks' {what} differ: {', '.join(found)}")
