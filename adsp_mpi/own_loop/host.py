"""What a user's loop needs of the engine that it runs on, and the place where it finds it."""

import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Protocol, Sequence

from adsp_mpi.config import Config
from adsp_mpi.core.registry import load
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import Layer
from adsp_mpi.learn.steps import Steps
from adsp_mpi.learn.tasks import OWN_LOOP
from adsp_mpi.own_loop.workload import LoopWorkload
from adsp_mpi.refusals import require_used, require_used_by_loop
from adsp_mpi.runtime.resume import base_config


class Host(Protocol):
    """One rank of a run, under MPI or in virtual time."""

    server: bool
    """Whether this rank trains nothing: rank 0, another server, or the evaluator."""

    index: int
    """The number of this worker, from 0; -1 on a rank that trains nothing."""

    workers: int
    """The number of workers."""

    simulated: bool

    @property
    def seed(self) -> int:
        """The run's seed."""

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1, the same on every rank."""

    @property
    def share(self) -> tuple[int, int]:
        """The number of this worker's share of the data, and the number of shares."""

    def steps(self) -> Steps[Any]:
        """This rank's part of the run; on rank 0 it returns the results."""


Prepare = Callable[[Sequence[Layer], LoopWorkload], Host]
"""Collective: prepares a run of this workload with these settings."""


class _Place(threading.local):
    """Set in threads that simulate a rank; elsewhere ranks are those of MPI."""

    prepare: Prepare | None = None


PLACE = _Place()


def load_program(path: str) -> Callable[[], Any]:
    """The function that `path`, as my_training:train, names, or a script FILE.py as a function.

    Raises UsageError if there is none.
    """
    if path.endswith(".py"):
        return _script(path)
    try:
        found = load("training", path, {}, "function")
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not callable(found):
        raise UsageError(f"{path} is not a function")
    return found


def _script(path: str) -> Callable[[], None]:
    """What runs the script in this file, as `python FILE.py` with these arguments would."""
    try:
        code = compile(Path(path).read_bytes(), path, "exec")
    except (OSError, SyntaxError) as error:
        raise UsageError(f"{path}: {error}") from error

    def run() -> None:
        main = sys.modules["__main__"] = ModuleType("__main__")
        main.__file__ = path
        sys.argv = [path, *sys.argv[1:]]
        sys.path.insert(0, str(Path(path).parent))
        exec(code, vars(main))

    return run


def loop_config(verb: str, layers: Sequence[Layer]) -> Config:
    """The configuration of a user's loop; UsageError where `verb` or the loop would ignore it.

    With `run.resume` among the settings, that of the run to be resumed lies under them.
    """
    resume = [s.value for layer in layers for s in layer if (s.section, s.key) == ("run", "resume")]
    base = base_config(resume[-1] if resume else "")
    config = base.with_layers(*layers)
    require_used(verb, base, config, layers)
    require_used_by_loop(layers)
    if config.sync_model.sets_batch_sizes:
        raise UsageError(
            f"{config.sync.model} sets the batch sizes, and a loop of your own sets them itself: "
            "take another scheme, or a task (guide tasks)"
        )
    return config.with_values({"task": {"name": OWN_LOOP}}, "join")


class Given:
    """What the command line says: the function that trains, and settings over the script's."""

    program: str = Path(sys.argv[0]).stem
    layers: Sequence[Layer] = ()


GIVEN = Given()
