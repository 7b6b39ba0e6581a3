"""`python -m adsp_mpi`, alone or under mpirun or srun."""

import signal
import sys
from typing import NoReturn, Sequence

if __name__ == "__main__":
    # until a run handles it, Ctrl-C ends the process silently
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from adsp_mpi.cli import ALONE, Request, parse
from adsp_mpi.errors import AdspError
from adsp_mpi.guide import show_guide


def main(arguments: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["bench"]:
        from adsp_mpi.bench.launch import bench
        from adsp_mpi.mpi.exit import exit_on_error

        exit_on_error(lambda: bench(arguments[1:]))
        return
    try:
        if arguments and arguments[0] in ALONE:
            print_text(*arguments)
            return
        request = parse(arguments)
    except AdspError as error:
        leave_with(error, alone=bool({"simulate", *ALONE} & set(arguments)))
    if request.program:
        train_own_loop(request)
        return
    verb, config, recorded, one_model, *_ = request
    if verb == "config":
        from adsp_mpi.runtime.exit import exit_code_of
        from adsp_mpi.tools.settings import settings_text

        sys.exit(exit_code_of(lambda: print(settings_text(config), end="")))
    if verb == "simulate":
        from adsp_mpi.sim.command import predict_and_show, simulate_and_show

        if recorded:
            sys.exit(predict_and_show(config, recorded, one_model))
        sys.exit(simulate_and_show(config))
    from adsp_mpi.mpi.exit import exit_on_error, run_quietly

    if verb == "doctor":
        from adsp_mpi.tools.doctor import examine

        exit_on_error(lambda: examine(config))
    elif verb == "profile":
        from adsp_mpi.tools.profile import measure

        exit_on_error(lambda: measure(config))
    else:
        exit_on_error(lambda: run_quietly(config))


def print_text(verb: str, *arguments: str) -> None:
    """Do a verb that prints text, and reads no settings."""
    if verb == "guide":
        show_guide(arguments)
        return
    if verb == "weights":
        from adsp_mpi.tools.weights import write_weights

        print(write_weights(arguments))
        return
    from adsp_mpi.tools.slurm import slurm_script

    print(slurm_script(arguments), end="")


def train_own_loop(request: Request) -> None:
    """Call the user's function, under MPI or in virtual time."""
    from adsp_mpi.own_loop.host import GIVEN

    GIVEN.program, GIVEN.layers = request.program, request.layers
    sys.argv = [request.program, *request.arguments]
    if request.verb == "simulate":
        from adsp_mpi.sim.command import simulate_loop_and_show

        sys.exit(simulate_loop_and_show(request.program, request.config))
    from adsp_mpi.mpi.exit import exit_on_error
    from adsp_mpi.mpi.own_loop import call

    exit_on_error(lambda: call(request.program, request.config))


def leave_with(error: AdspError, alone: bool) -> NoReturn:
    """Exit after wrong arguments: every rank has the same error, and the first one prints it."""

    def fail() -> NoReturn:
        raise error

    if alone:
        from adsp_mpi.runtime.exit import exit_code_of

        sys.exit(exit_code_of(fail))
    from adsp_mpi.mpi.exit import exit_on_error

    exit_on_error(fail)


if __name__ == "__main__":
    main()
