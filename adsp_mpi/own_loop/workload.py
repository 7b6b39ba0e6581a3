"""A user's modules, optimizers and evaluation as a run's workload on one rank."""

import re
from typing import Any, Callable, Mapping, Sequence

import torch
from torch import nn
from torch.optim import LBFGS, Optimizer

from adsp_mpi.config import Config
from adsp_mpi.core.callbacks import NO_CALLBACKS, Callbacks
from adsp_mpi.core.dealing import Hand
from adsp_mpi.core.models.rounds import GRADIENTS
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.metric import value_of
from adsp_mpi.learn.optimizers import OptimizerStates, is_plain_sgd
from adsp_mpi.learn.packed import packed, unpacked
from adsp_mpi.learn.workload import Logger, notes_on_commits

Evaluate = Callable[[Any], Mapping[str, Any] | torch.Tensor | float]


class LoopWorkload:
    """What `join` is given; the model becomes one vector at `begin`."""

    def __init__(
        self,
        models: Sequence[nn.Module],
        optimizers: Sequence[Optimizer],
        evaluate: Evaluate | None,
        name: str,
        loggers: Sequence[Logger] = (),
        callbacks: Callbacks = NO_CALLBACKS,
    ) -> None:
        self.name = name
        self.loggers = loggers
        self.callbacks = callbacks
        self.shared: Sequence[str] = []
        self.kept: dict[str, Any] = {}
        """Objects with a `state_dict` that a checkpoint keeps beside the optimizers, by name."""

        self.hand = Hand()
        """The samples dealt to this worker."""

        self.optimizers = optimizers
        self._models = models
        self._evaluate = evaluate
        self._flat: FlatModel | None = None
        self.commits_gradients = False

    def configured(self, config: Config) -> "LoopWorkload":
        """This workload, knowing what commits carry; UsageError if they cannot carry that.

        That is decided before `model` is first asked for.
        """
        gives_gradients = len(self.optimizers) == 1 and not isinstance(self.optimizers[0], LBFGS)
        if config.sync_model.commits == GRADIENTS and not gives_gradients:
            raise UsageError(
                "sync.commits = gradients is for one optimizer, which computes one gradient a step"
            )
        plain = not gives_gradients or is_plain_sgd(self.optimizers[0])
        self.commits_gradients = config.commits_gradients(plain)
        return self

    @property
    def notes(self) -> Sequence[str]:
        return notes_on_commits(self.model)

    @property
    def model(self) -> FlatModel:
        if self._flat is None:
            one = len(self._models) == 1
            module = self._models[0] if one else nn.ModuleList(self._models)
            held = [p for o in self.optimizers for group in o.param_groups for p in group["params"]]
            self._flat = FlatModel(module, also_trained=held, gradients=self.commits_gradients)
            known = {id(parameter) for parameter in module.parameters()}
            if any(id(parameter) not in known for parameter in held):
                raise UsageError("join: an optimizer holds a parameter that no model has")
        return self._flat

    def keep(self, name: str, kept: Any) -> None:
        """Have `kept` in checkpoints; UsageError if one could not give its state back."""
        if not (hasattr(kept, "state_dict") and hasattr(kept, "load_state_dict")):
            raise UsageError(f"run.keep: {name} has no state_dict and load_state_dict")
        try:
            unpacked(packed(kept.state_dict()))
        except Exception as error:
            found = re.search(r"Unsupported global: GLOBAL (\S+)", str(error))
            raise UsageError(
                f"run.keep: the state_dict of {name} cannot be saved "
                f"({found[1] if found else error}): it may hold tensors, arrays, numbers and text, "
                "in dicts, lists, tuples and sets"
            ) from error
        self.kept[name] = kept

    def training(self, share: int) -> "LoopTraining":
        return LoopTraining(self)

    def judge(self) -> "LoopJudge | None":
        return LoopJudge(self._models, self._evaluate) if self._evaluate else None

    def attributes(self, share: int) -> dict[str, Any]:
        return {}


class LoopTraining(OptimizerStates):
    """The state of a user's loop beside the model: optimizers, kept objects, buffers at home."""

    def __init__(self, workload: LoopWorkload) -> None:
        super().__init__(workload.optimizers)
        self.steps = 0
        self.progress: Callable[[], float] = lambda: 0.0
        self.hand = workload.hand
        self._workload = workload

    def take_share(self, share: int) -> None:
        """The loop asks for its share when it next begins to read its data."""

    def begin_anew(self) -> None:
        self.hand.drop()
        super().begin_anew()

    def state_dict(self) -> dict[str, Any]:
        work = self._workload
        own = {
            **self.optimizers_state_dict(),
            "kept": {name: kept.state_dict() for name, kept in work.kept.items()},
            "buffers": work.model.own_buffers,
        }
        return {"steps": self.steps, "own": packed(own), "hand": self.hand.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`; UsageError if other objects were kept then."""
        work, own = self._workload, unpacked(state["own"])
        if own["kept"].keys() != work.kept.keys():
            names = ", ".join(sorted(own["kept"])) or "nothing"
            raise UsageError(f"the checkpoint holds what run.keep was given before: {names}")
        self.load_optimizers_state_dict(own)
        for name, saved in own["kept"].items():
            work.kept[name].load_state_dict(saved)
        for name, buffer in work.model.own_buffers.items():
            buffer.copy_(own["buffers"][name])
        self.hand.load_state_dict(state["hand"])
        self.steps = state["steps"]


class LoopJudge:
    """Evaluates the model by the user's own function."""

    def __init__(self, models: Sequence[nn.Module], evaluate: Evaluate) -> None:
        self._models = models
        self._evaluate = evaluate
        self._names: list[str] = []

    def evaluate(self) -> dict[str, float]:
        """What the user's function returns, in eval mode and without gradients.

        Raises AdspError unless that is a number, the loss, or a dict of numbers with `loss`, and
        has the same names every time.
        """
        for model in self._models:
            model.eval()
        with torch.no_grad():
            given = self._models[0] if len(self._models) == 1 else list(self._models)
            found = self._evaluate(given)
        wanted = "evaluate must return the loss, or a dict of numbers with 'loss' in it"
        if isinstance(found, Mapping) and "loss" not in found:
            raise AdspError(f"{wanted}; it returned {', '.join(map(str, found)) or 'nothing'}")
        pairs = found.items() if isinstance(found, Mapping) else [("loss", found)]
        try:
            metrics = {str(name): value_of(value) for name, value in pairs}
        except (TypeError, ValueError, RuntimeError) as error:
            raise AdspError(f"{wanted}: {error}") from None
        self._names = self._names or list(metrics)
        if list(metrics) != self._names:
            raise AdspError(
                f"evaluate returned {', '.join(metrics)} where it had returned "
                f"{', '.join(self._names)}: return the same names, in the same order, every time"
            )
        return metrics
