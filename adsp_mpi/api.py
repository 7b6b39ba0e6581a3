"""The Python call behind `adsp_mpi.train`."""

from typing import TYPE_CHECKING, Any

from adsp_mpi.config import Config
from adsp_mpi.layers import Setting, layer_of
from adsp_mpi.learn.task import Task
from adsp_mpi.refusals import require_used

if TYPE_CHECKING:
    from adsp_mpi.mpi.server.results import Result


def train(
    task: Task | str, settings: dict[str, dict[str, Any]] | Config | None = None
) -> "Result | None":
    """Train `task` on all ranks of this MPI job; every rank makes the same call.

    `task` is a Task or the name of one; `settings` are {section: {key: value}} over the
    defaults, as in a configuration file. Returns the Result on rank 0, None on workers.

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
    return run_quietly(config, None if isinstance(task, str) else task)
