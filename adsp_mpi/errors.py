"""Errors whose message is one line for the user: what is wrong and what to do about it."""

import sys

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


def tell(message: str) -> None:
    """Print the message of an error for the user on stderr."""
    print(f"adsp_mpi: error: {message}", file=sys.stderr, flush=True)
