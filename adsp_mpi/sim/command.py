"""`python -m adsp_mpi simulate`: one process, no MPI; errors become one line and an exit code."""

from typing import TYPE_CHECKING

from adsp_mpi.config import Config
from adsp_mpi.errors import Interrupted, UsageError
from adsp_mpi.runtime.data_shares import torch_seed
from adsp_mpi.runtime.exit import exit_code_of
from adsp_mpi.runtime.launcher import num_launched
from adsp_mpi.runtime.run_folder import how_to_resume, make_folder
from adsp_mpi.runtime.signals import STOPPED, Signals
from adsp_mpi.screen import make_screen, show_report
from adsp_mpi.sim.fitted_machines import Recorded
from adsp_mpi.tables import WIDTH

if TYPE_CHECKING:
    from adsp_mpi.sim.own_loop import LoopProblem


def simulate_and_show(config: Config) -> int:
    """Simulate a run and show its progress and report; returns the exit code."""
    return exit_code_of(lambda: _simulate(config))


def simulate_loop_and_show(program: str, given: Config) -> int:
    """Simulate the user's function `module:function` and show the report; returns the exit code.

    `given` has the settings of the command line alone, over those of a run that is resumed.
    """
    return exit_code_of(lambda: _simulate_loop(program, given))


def _simulate_loop(program: str, given: Config) -> None:
    from adsp_mpi.own_loop.host import load_program
    from adsp_mpi.sim.own_loop import LoopProblem

    _require_one_process()
    function = load_program(program)
    loop = LoopProblem(function, given.simulate.workers, torch_seed(given, 0))
    try:
        _simulate(loop.config, loop)
    finally:
        loop.drop()


def predict_and_show(config: Config, recorded: Recorded, one_model: bool) -> int:
    """Predict what other schemes would need on a recorded run's machines; returns the exit code."""
    return exit_code_of(lambda: _predict(config, recorded, one_model))


def _simulate(config: Config, loop: "LoopProblem | None" = None) -> None:
    from adsp_mpi.sim.run import simulate

    _require_an_end(config)
    _require_one_process()
    folder, lock = make_folder(config)
    with lock, Signals(has_launcher=False) as signals:
        screen = make_screen(config.run.screen)
        done = simulate(config, folder, screen, stopped=lambda: bool(signals.received), loop=loop)
    if config.run.screen != "quiet":
        rate = done.actions / done.wall_s
        beside = {
            "trace": str(done.trace_path),
            "model": str(done.model_path),
            "simulated": f"{done.actions:,} actions in {done.wall_s:.1f} s, {rate:,.0f}/s",
        }
        show_report(done.report, beside)
    if done.report.reason == STOPPED:
        raise Interrupted(f"stopped by a signal; {how_to_resume(folder)}")


def _require_an_end(config: Config) -> None:
    stop = config.stop
    if not (stop.target_loss or stop.loss_variance or stop.max_seconds or stop.max_steps):
        raise UsageError(
            "nothing ends this simulation: give --max-seconds, --max-steps or --target-loss"
        )


def _require_one_process() -> None:
    """Raise UsageError under a launcher: every rank would simulate into the same folder."""
    if num_launched() > 1:
        raise UsageError("simulate is one process: start it without mpirun or srun")


def _predict(config: Config, recorded: Recorded, one_model: bool) -> None:
    from adsp_mpi.sim.what_if import predict_all, prediction_table

    mode = config.run.screen
    screen = make_screen("log" if mode in ("auto", "live") else mode)
    with Signals(has_launcher=False) as signals:
        found = predict_all(
            config, recorded, one_model, screen.note, stopped=lambda: bool(signals.received)
        )
    table = prediction_table(found, recorded, config.stop.target_loss)
    print(table.text(WIDTH))
