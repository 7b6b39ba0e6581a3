"""`python -m adsp_mpi config`: every setting with its meaning, as TOML."""

from inspect import Parameter

from adsp_mpi.config import Config, TaskSection
from adsp_mpi.layers import toml_value

WRITABLE = (bool, int, float, str)
"""The types of defaults that are printed as settings."""


def settings_text(config: Config) -> str:
    """The configuration, and with it the arguments of the task's factory that are not set.

    Raises UsageError if there is no such task.
    """
    name, given = config.task.name, config.task.options
    if name == TaskSection().name:  # has no arguments, so torch is not imported for it
        return config.to_toml(comments=True)
    from adsp_mpi.sim.problem import task_arguments

    lines = [_line(arg, name) for arg in task_arguments(name) if arg.name not in given]
    return config.to_toml(comments=True, more_of_task=lines)


def _line(argument: Parameter, task: str) -> str:
    """The argument as a setting; as a comment if it has no default that TOML can hold."""
    name, default = argument.name, argument.default
    if default is Parameter.empty:
        return f"# {name}: argument of {task}, without a default"
    if not isinstance(default, WRITABLE):
        return f"# {name}: argument of {task}, {default!r} unless set"
    return f"{name} = {toml_value(default)}  # argument of {task}"
