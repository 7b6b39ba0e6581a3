"""The Python calls `adsp_mpi.join` and `adsp_mpi.train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence, TypeVar

from adsp_mpi.config import Config
from adsp_mpi.core.callbacks import Callbacks
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import Layer, Setting, file_layer, layer_of
from adsp_mpi.refusals import require_used

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from adsp_mpi.learn.task import Task
    from adsp_mpi.learn.workload import Logger
    from adsp_mpi.mpi.server.results import Result
    from adsp_mpi.own_loop.run import Run
    from adsp_mpi.own_loop.workload import Evaluate

T = TypeVar("T")


def train(
    task: "Task | str",
    settings: dict[str, dict[str, Any]] | Config | None = None,
    callbacks: Sequence[Any] = (),
) -> "Result | None":
    """Train `task` on all ranks of this MPI job; every rank makes the same call.

    `task` is a Task or the name of one; `settings` are {section: {key: value}} over the
    defaults, as in a configuration file; `callbacks` are as for `join`. Returns the Result on
    rank 0, None on workers.

    A run that fails raises on every rank: an AdspError with the message on one of them,
    `adsp_mpi.errors.Elsewhere` on the others; wrong settings raise UsageError on all. If the error
    is not caught, it is printed once, and all ranks end with the command line's exit code.
    Resuming a run that had ended raises `adsp_mpi.errors.NothingToDo` instead of the AdspError.
    """
    from adsp_mpi.mpi.exit import run_quietly, watch_exit

    watch_exit()
    config = settings if isinstance(settings, Config) else Config()
    given = layer_of(settings, "adsp_mpi.train") if isinstance(settings, dict) else []
    if isinstance(task, str):
        given.append(Setting("task", "name", task, "adsp_mpi.train"))
    base, config = config, config.with_layers(given)
    require_used("run", base, config, [given])
    return run_quietly(config, None if isinstance(task, str) else task, Callbacks(callbacks))


def join(
    model: "nn.Module | Sequence[nn.Module]",
    optimizer: "Optimizer | Sequence[Optimizer]",
    evaluate: "Evaluate | None" = None,
    settings: Mapping[str, Mapping[str, Any]] | str | Path | None = None,
    loggers: "Sequence[Logger]" = (),
    callbacks: Sequence[Any] = (),
) -> "Run":
    """Train `model` with all ranks; collective. Every rank goes on from rank 0's weights.

    After each step of `optimizer`, or of the last one of several, commits begin and land. Rank 0
    evaluates the global model by `evaluate(model)`, which returns the loss, or a dict of numbers
    with "loss" in it; without it the loss is the mean of those that workers log. After every
    evaluation rank 0 calls each of `loggers` with a dict of numbers and the steps of all workers.
    `callbacks` are objects with methods, each called with a dict, by any of these names: on each
    worker `on_commit` after every commit of its own, on rank 0 `on_evaluation` and `on_checkpoint`.
    `settings` are {section: {key: value}} or the path of a TOML file; those of the command line
    (`python -m adsp_mpi my_training:train ...`) go over them.

    The random generators of torch, numpy and Python are seeded anew on each rank, from the run's
    seed. The launcher's variables, such as PMI_RANK, are hidden from libraries that would take the
    ranks for theirs.

    Raises UsageError for wrong arguments and settings, AdspError if the run fails.
    """
    from torch import nn
    from torch.optim import Optimizer

    from adsp_mpi.own_loop.host import GIVEN, PLACE
    from adsp_mpi.own_loop.run import Run
    from adsp_mpi.own_loop.workload import LoopWorkload

    models = _all_of("model", model, nn.Module)
    optimizers = _all_of("optimizer", optimizer, Optimizer)
    if evaluate is not None and not callable(evaluate):
        raise UsageError(f"join: evaluate must be a function, not {type(evaluate).__name__}")
    told = Callbacks(callbacks)
    workload = LoopWorkload(models, optimizers, evaluate, GIVEN.program, loggers, told)
    layers = [_layer(settings), *GIVEN.layers]
    if PLACE.prepare:
        return Run(PLACE.prepare(layers, workload), workload)
    from adsp_mpi.mpi.exit import JOINED, watch_exit
    from adsp_mpi.mpi.own_loop import prepare_rank
    from adsp_mpi.runtime.launcher import hide_launcher

    watch_exit()
    run = Run(prepare_rank(layers, workload), workload)
    hide_launcher()
    JOINED.append(run)
    return run


def _all_of(name: str, given: Any, kind: type[T]) -> list[T]:
    """The one or several in `given`, which must be of this kind."""
    found = list(given) if isinstance(given, (list, tuple)) else [given]
    if not found:
        raise UsageError(f"join: no {name}")
    for value in found:
        if not isinstance(value, kind):
            of = type(value).__name__
            raise UsageError(f"join: {name} must be a torch {kind.__name__}, not {of}")
    return found


def _layer(settings: Mapping[str, Mapping[str, Any]] | str | Path | None) -> Layer:
    if isinstance(settings, (str, Path)):
        return file_layer(str(settings))
    return layer_of(settings or {}, "join")
