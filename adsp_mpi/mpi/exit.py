"""How a rank's program ends: an error is reported once, and every rank of the job ends.

Nothing here starts MPI before it is needed.
"""

import atexit
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Callable, NoReturn, Protocol, TypeVar

from adsp_mpi.core.callbacks import NO_CALLBACKS, Callbacks
from adsp_mpi.errors import EXIT_DONE, EXIT_FAILED, AdspError, UsageError, cause
from adsp_mpi.runtime.exit import tell_error
from adsp_mpi.runtime.launcher import abort_by_launcher, launched_rank, num_launched

if TYPE_CHECKING:
    from adsp_mpi.config import Config
    from adsp_mpi.learn.task import Task
    from adsp_mpi.mpi.server.results import Result

T = TypeVar("T")


class Joined(Protocol):
    """A user's own loop that has joined a run."""

    def close(self) -> None:
        """End this rank's part of the run in order."""

    def failed(self, error: BaseException) -> BaseException:
        """End the run because of an error in the user's code; returns what to report."""


JOINED: list[Joined] = []
"""Loops of this process whose part of the run may not be over."""

MPI_MODULE = "mpi4py.MPI"
OVER = "its program is over"


def run_quietly(
    config: "Config", task: "Task | None" = None, callbacks: Callbacks = NO_CALLBACKS
) -> "Result | None":
    """Call `mpi.run.run`, imported only now, so that wrong arguments do not pay for torch.

    The first line is on the screen before the seconds that the import takes.
    """
    say_start(config, "" if task else config.task.name)
    from adsp_mpi.mpi.run import run

    return run(config, task, callbacks=callbacks)


def say_start(config: "Config", name: str) -> None:
    """Say on rank 0 what is about to start; `name` is what it trains."""
    if launched_rank() == 0 and num_launched() > 1:
        from adsp_mpi.screen import say, starting_line

        say(config.run.screen, starting_line(config.sync.model, name, num_launched()))


def exit_on_error(action: Callable[[], T]) -> T:
    """Do `action` for the command line; an error is reported once, and every rank ends."""
    watch_exit()
    try:
        done = action()
        _close_joined()
    except Exception as error:
        _leave(error)
    from adsp_mpi.mpi.ranks.leaving import ROLL_CALL

    ROLL_CALL.leave(EXIT_DONE, OVER, at_once=True)
    return done


def watch_exit() -> None:
    """From here on this process leaves no other rank waiting, however it ends.

    An uncaught error is reported as on the command line and ends all ranks. If this rank ends
    before the others begin a run, they are told so. Calling this twice is allowed.
    """
    _hold_errors()
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)


def watch_errors() -> None:
    """From here on an uncaught error ends all processes of an MPI job."""
    if num_launched() > 1:
        _hold_errors()


def _hold_errors() -> None:
    if sys.excepthook is sys.__excepthook__:  # a user's own stays
        sys.excepthook = _uncaught


def _uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> NoReturn:
    _leave(error)


def _leave(error: BaseException) -> NoReturn:
    """Report `error` and leave together with the other ranks, or end the job without them.

    The run that a user's loop has joined is told first. A UsageError that one rank has not reported
    for all is the same everywhere: rank 0 reports it.
    """
    while JOINED:
        error = JOINED.pop().failed(error)
    if isinstance(error, UsageError) and launched_rank() != 0:
        exit_code = error.exit_code
    else:
        exit_code = tell_error(error, f"rank {launched_rank()}: ")
    if MPI_MODULE not in sys.modules and not isinstance(error, AdspError):
        abort_by_launcher(exit_code)
    elif _is_one_of_many():
        from adsp_mpi.mpi.ranks.leaving import ROLL_CALL

        ROLL_CALL.leave(exit_code, cause(error))
    sys.exit(exit_code)


def _close_joined() -> None:
    while JOINED:
        JOINED.pop().close()


def _at_exit() -> None:
    try:
        _close_joined()
    except Exception as error:
        _leave(error)
    if not _is_one_of_many():
        return
    from adsp_mpi.mpi.ranks.leaving import ROLL_CALL

    failed = getattr(sys, "last_value", None) is not None
    ROLL_CALL.leave(ROLL_CALL.exit_code or (EXIT_FAILED if failed else EXIT_DONE), OVER)
    ROLL_CALL.end()


def _is_one_of_many() -> bool:
    return num_launched() > 1 or MPI_MODULE in sys.modules
