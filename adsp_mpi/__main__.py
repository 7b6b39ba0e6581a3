"""`python -m adsp_mpi`, alone or under mpirun or srun."""

import sys
from typing import Sequence

from adsp_mpi.cli import parse
from adsp_mpi.errors import UsageError


def main(arguments: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        verb, config = parse(arguments)
    except UsageError as error:
        leave_with(error)
    if verb == "config":
        print(config.to_toml(comments=True), end="")
        return
    if verb == "simulate":
        from adsp_mpi.sim.launch import simulate_and_show

        sys.exit(simulate_and_show(config))
    from adsp_mpi.mpi.launch import exit_on_error, run_quietly

    if verb == "doctor":
        from adsp_mpi.mpi.doctor import examine

        exit_on_error(lambda: examine(config))
    elif verb == "profile":
        from adsp_mpi.mpi.profile import measure

        exit_on_error(lambda: measure(config))
    else:
        exit_on_error(lambda: run_quietly(config))


def leave_with(error: UsageError) -> None:
    """Every rank has met the same wrong argument; the first one says so."""
    from adsp_mpi.mpi.launch import exit_on_error

    def fail() -> None:
        raise error

    exit_on_error(fail)


if __name__ == "__main__":
    main()
