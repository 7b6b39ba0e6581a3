"""Turns an error into one line for the user and an exit code."""

import sys
from typing import Callable

from adsp_mpi.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    AdspError,
    Elsewhere,
    NothingToDo,
    cause,
    story,
    tell,
)


def tell_error(error: BaseException, where: str = "") -> int:
    """Print an error, once among all ranks; returns the exit code.

    An unexpected one is printed with its traceback, and with `where` it happened.
    """
    if isinstance(error, Elsewhere):
        return error.exit_code
    if isinstance(error, NothingToDo):
        print(f"adsp_mpi: {error}", flush=True)
        return error.exit_code
    if isinstance(error, AdspError):
        tell(str(error))
        return error.exit_code
    print(story(error), end="", file=sys.stderr)
    tell(f"{where}{cause(error)}")
    return EXIT_FAILED


def exit_code_of(action: Callable[[], None]) -> int:
    """Do `action` and print its error, if any; returns the exit code."""
    try:
        action()
    except Exception as error:
        return tell_error(error)
    return EXIT_DONE
