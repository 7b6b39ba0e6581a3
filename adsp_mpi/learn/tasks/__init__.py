"""The built-in tasks by name. A new one is a file here and a line in `TASKS`."""

import inspect
from typing import Any, Callable

from adsp_mpi.core.registry import load
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.task import Task

TASKS = {
    "digits-cnn": "adsp_mpi.learn.tasks.digits:digits_cnn",
    "digits-mlp": "adsp_mpi.learn.tasks.digits:digits_mlp",
    "digits-lstm": "adsp_mpi.learn.tasks.digits:digits_lstm",
    "cancer-svm": "adsp_mpi.learn.tasks.svm:cancer_svm",
    "cifar10": "adsp_mpi.learn.tasks.cifar10:cifar10",
    "cifar10-small": "adsp_mpi.learn.tasks.cifar10:cifar10_small",
    "fatigue": "adsp_mpi.learn.tasks.fatigue:fatigue",
    "svm": "adsp_mpi.learn.tasks.svm:svm",
}

OWN_LOOP = "own-loop"
"""Stands in configurations in place of a task, for runs of a user's own training loop."""


def task_factory(name: str) -> Callable[..., Task]:
    """The factory for a name in `TASKS` or a path `package.module:factory`."""
    if name == OWN_LOOP:
        raise UsageError(
            "that run is of a training loop of your own: name its function, as in "
            "python -m adsp_mpi my_loop:train --resume RUN"
        )
    if name == "quadratic":
        raise UsageError("task 'quadratic' is only simulated: python -m adsp_mpi simulate")
    try:
        factory = load("task", name, TASKS, "factory")
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not callable(factory):
        raise UsageError(f"task {name!r} is not callable")
    return factory


def make_task(name: str, options: dict[str, Any]) -> Task:
    """Make the task `name` by calling its factory with `options`; UsageError if they do not fit."""
    factory = task_factory(name)
    try:
        inspect.signature(factory).bind(**options)
    except TypeError as error:
        known = ", ".join(inspect.signature(factory).parameters) or "none"
        raise UsageError(f"task {name!r}: {error}; its options: {known}") from error
    task = factory(**options)
    if not isinstance(task, Task):
        raise UsageError(f"task {name!r} gave a {type(task).__name__}, not an adsp_mpi.Task")
    task.name = task.name or name
    return task
