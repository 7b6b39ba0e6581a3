"""A task's local step, as the task and `[train]` say."""

from typing import TYPE_CHECKING

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError

if TYPE_CHECKING:
    from adsp_mpi.learn.task import Task
    from adsp_mpi.learn.updates import LearningRate, LocalStep


def learning_rate(config: Config) -> "LearningRate":
    """The learning rate of a local step."""
    from adsp_mpi.learn.updates import LearningRate

    train = config.train
    return LearningRate(
        train.local_lr, train.lr_decay, train.lr_decay_steps, train.schedule, train.warmup
    )


def local_step(task: "Task", config: Config) -> "LocalStep":
    """What the step is made of; UsageError if the task and the settings contradict each other."""
    from adsp_mpi.learn.optimizers import maker
    from adsp_mpi.learn.updates import LocalStep

    train = config.train
    _require_one_choice(task, config)
    optimizer = task.optimizer
    if not optimizer and (task.scheduler or not train.is_plain_sgd):
        optimizer = maker(train.optimizer.lower(), train.local_lr, train.optimizer_options)
    bf16 = train.amp == "bf16"
    return LocalStep(optimizer, task.scheduler, train.grad_clip, train.accumulate, bf16)


def commits_gradients(task: "Task", config: Config) -> bool:
    """Whether commits carry gradients."""
    has_own = task.optimizer or task.scheduler or config.train.grad_clip
    return config.commits_gradients(config.train.is_plain_sgd and not has_own)


def _require_one_choice(task: "Task", config: Config) -> None:
    """Raise UsageError if a setting says what the task's own optimizer or scheduler says too."""
    train, usual = config.train, Config().train
    given = {
        "optimizer": ("optimizer", "optimizer_options", "local_lr") if task.optimizer else (),
        "scheduler": ("schedule", "warmup", "lr_decay") if task.scheduler else (),
    }
    for own, keys in given.items():
        for key in keys:
            if getattr(train, key) != getattr(usual, key):
                raise UsageError(f"train.{key}: the task has its own {own}; leave one of them out")
    limits = config.stop
    if task.scheduler and not (limits.max_seconds or limits.max_steps):
        raise UsageError(
            "the task's scheduler goes by the run's progress: set stop.max_seconds or "
            "stop.max_steps"
        )
