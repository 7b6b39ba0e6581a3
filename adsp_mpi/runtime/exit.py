"""The edge of a program: an error becomes one line and an exit code."""

import traceback
from typing import Callable

from adsp_mpi.errors import EXIT_DONE, EXIT_FAILED, AdspError, Elsewhere, cause, tell


def tell_error(error: BaseException, where: str = "") -> int:
    """Tell the user an error, once among all ranks; returns the exit code.

    One that the program did not foresee comes with its traceback, and with `where` it happened.
    """
    if isinstance(error, Elsewhere):
        return error.exit_code
    if isinstance(error, AdspError):
        tell(str(error))
        return error.exit_code
    traceback.print_exception(error)
    tell(f"{where}{cause(error)}")
    return EXIT_FAILED


def exit_code_of(action: Callable[[], None]) -> int:
    """Do `action`; an error is told. Returns the exit code."""
    try:
        action()
    except Exception as error:
        return tell_error(error)
    return EXIT_DONE
