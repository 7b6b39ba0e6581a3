"""`python -m adsp_mpi.analysis VERB`: one module a verb, listed in `verbs.py`."""

import os
import sys
from typing import NoReturn, Sequence

from adsp_mpi.analysis.verbs import VERBS, make_parser
from adsp_mpi.errors import EXIT_FAILED, AdspError, Interrupted, tell


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the verb in `arguments`; a failure is one line on stderr and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    called = given[:1] if given and given[0] in VERBS else VERBS
    options = make_parser(called).parse_args(given)
    try:
        options.run(options)
        sys.stdout.flush()
    except AdspError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", Interrupted.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    except OSError as error:
        _fail(_words(error), EXIT_FAILED)


def _words(error: OSError) -> str:
    """The file and the system's message; the error's own text if it lacks them, as HDF5's do."""
    if error.filename is None or error.strerror is None:
        return str(error).splitlines()[0]
    return f"{error.filename}: {error.strerror}"


def _fail(text: str, exit_code: int) -> NoReturn:
    tell(text)
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
