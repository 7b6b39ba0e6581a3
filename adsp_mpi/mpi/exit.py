"""The edge of a rank's program: errors become one line and an exit code."""

import sys
import threading
import traceback
from typing import TYPE_CHECKING, Callable, NoReturn, TypeVar

from mpi4py import MPI

from adsp_mpi.config import Config
from adsp_mpi.errors import EXIT_FAILED, AdspError, UsageError, tell
from adsp_mpi.mpi.ranks.abort import abort, leave_at_once
from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.screen import say, starting_line

if TYPE_CHECKING:
    from adsp_mpi.learn.task import Task
    from adsp_mpi.mpi.server.results import Result

T = TypeVar("T")

ABORT_AFTER_S = 4.0
"""A rank that fails waits so long for the others to leave in order before it ends the job."""


def run_quietly(config: Config, task: "Task | None" = None) -> "Result | None":
    """`mpi.run.run`, loaded only now: wrong arguments do not pay for torch.

    The first line is on the screen before that takes its seconds.
    """
    if MPI.COMM_WORLD.rank == 0 and MPI.COMM_WORLD.size > 1:
        name = "" if task else config.task.name
        say(config.run.screen, starting_line(config.sync.model, name, MPI.COMM_WORLD.size))
    from adsp_mpi.mpi.run import run

    return run(config, task)


def exit_on_error(action: Callable[[], T]) -> T:
    """Run `action`; an error is told once, and every rank of the job ends.

    A UsageError outside a run is the same on every rank: rank 0 tells it. Other errors are
    raised by one rank with a message and by the rest as `Elsewhere`.
    """
    from adsp_mpi.mpi.ranks.world import Elsewhere

    try:
        return action()
    except Elsewhere as error:
        _leave(error.exit_code)
    except UsageError as error:
        if MPI.COMM_WORLD.rank == 0:
            tell(str(error))
        _leave(error.exit_code)
    except AdspError as error:
        tell(str(error))
        _leave(error.exit_code)
    except Exception as error:
        traceback.print_exc()
        tell(f"rank {MPI.COMM_WORLD.rank}: {type(error).__name__}: {error}")
        _leave(EXIT_FAILED)


def _leave(exit_code: int) -> NoReturn:
    """Leave together with the others; if they do not come, end the job."""
    from adsp_mpi.mpi.ranks.world import World

    if World.lost_ranks:
        leave_at_once(exit_code)
    timer = threading.Timer(ABORT_AFTER_S, abort, [MPI.COMM_WORLD, exit_code])
    timer.daemon = True
    timer.start()
    wait_for([MPI.COMM_WORLD.Ibarrier()])
    timer.cancel()
    sys.exit(exit_code)
