"""Errors whose message is one line for the user: what is wrong and what to do about it."""

import logging
import sys
import traceback
from pathlib import Path

LOGGER = logging.getLogger("adsp_mpi")
"""What a run tells, for programs that route it; it prints nothing unless they make it."""

LOGGER.addHandler(logging.NullHandler())

PACKAGE = Path(__file__).parent
STANDARD_LIBRARY = Path(traceback.__file__).parent
STARTERS = ("adsp-mpi", "adsp-mpi-analysis")
"""Installed scripts that start this program."""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 3


class AdspError(Exception):
    """The run cannot go on. The message is the one line that the user reads."""

    exit_code = EXIT_FAILED


class UsageError(AdspError):
    """The command line, the configuration or an argument is wrong."""

    exit_code = EXIT_USAGE


class Interrupted(AdspError):
    """A signal ended the run; what was learnt has been saved."""

    exit_code = EXIT_INTERRUPTED


class NothingToDo(AdspError):
    """What is asked for has been done already."""

    exit_code = EXIT_DONE


class Elsewhere(AdspError):
    """The run has failed, and another rank raises and reports the reason."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("the run has failed; another rank tells why")
        self.exit_code = exit_code


def cause(error: BaseException) -> str:
    """An error as text, with its kind."""
    if isinstance(error, SystemExit):
        return f"sys.exit({error.code!r}) was called"
    return f"{type(error).__name__}: {error}"


def story(error: BaseException) -> str:
    """An error with its traceback, which begins with the user's own frames.

    The frames of this program and of installed libraries above those are left out. Where an error
    is in no code of the user's, all of it is told.
    """
    trace = error.__traceback__
    while trace and not _is_users(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    kept = trace or error.__traceback__
    return "".join(traceback.format_exception(type(error), error, kept))


def unexpected(error: BaseException) -> str:
    """An error that no line explains: its kind and message, and under them its story."""
    return f"{cause(error)}\n{story(error)}"


def _is_users(file: str) -> bool:
    """Whether a frame in this file is of the user's own code, or of an example of ours."""
    path = Path(file)
    if file.startswith("<") or path.name in STARTERS or "site-packages" in path.parts:
        return False
    if path.is_relative_to(PACKAGE):
        return path.is_relative_to(PACKAGE / "examples")
    return not path.is_relative_to(STANDARD_LIBRARY)


def tell(message: str) -> None:
    """Print the message of an error for the user on stderr."""
    print(f"adsp_mpi: error: {message}", file=sys.stderr, flush=True)
    LOGGER.error(message)


def warn(message: str) -> None:
    """Print a warning for the user on stderr; the run goes on."""
    print(f"adsp_mpi: warning: {message}", file=sys.stderr, flush=True)
    LOGGER.warning(message)
