"""`simulate --like RUN`: what if the recorded machines had run another scheme or settings?"""

import os
import signal
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing import active_children, get_context
from typing import Callable, Iterator, Sequence

from adsp_mpi.config import Config
from adsp_mpi.core.hetero.profile import Profile
from adsp_mpi.core.models import MODELS
from adsp_mpi.core.report import Report
from adsp_mpi.errors import AdspError, Interrupted, UsageError
from adsp_mpi.sim.fitted_machines import Recorded
from adsp_mpi.tables import Table

LENGTHS = 10.0
"""A run without a time limit is simulated for this multiple of the recorded run's length."""

LOOK_S = 0.1
"""How often `stopped` is asked while the runs go on."""

COLUMNS = ("scheme", "predicted s", "measured s", "steps", "commits", "MB/s a worker", "waiting")


@dataclass(frozen=True)
class Prediction:
    """One scheme's simulated report, or, if there is none, the reason, in a word and in full."""

    label: str
    report: Report | None = None
    failure: str = ""
    reason: str = ""

    @property
    def order(self) -> tuple[int, float, int, str]:
        """The sort key: by time to target, then by steps; then by the loss; failures last."""
        if self.report is None:
            return 2, 0.0, 0, self.label
        reached_s, steps = self.report.time_to_target_s, self.report.steps
        if reached_s is None:
            return 1, self.report.last_loss or 0.0, steps, self.label
        return 0, reached_s, steps, self.label

    @property
    def outcome(self) -> str:
        """The time to target in seconds, or why there is none."""
        if self.report is None:
            return self.failure
        reached_s = self.report.time_to_target_s
        return f"not in {self.report.seconds:.0f}" if reached_s is None else f"{reached_s:.1f}"


def predict_all(
    config: Config,
    recorded: Recorded,
    one_model: bool,
    note: Callable[[str], None],
    stopped: Callable[[], bool],
) -> list[Prediction]:
    """Predictions for every scheme, best first; with `one_model` only for the scheme of `config`
    and the recorded one.

    `note` is called with each one when it is done. Raises Interrupted soon after `stopped()`.
    """
    limit_s = config.stop.max_seconds or LENGTHS * recorded.length_s
    config = config.with_values({"stop": {"max_seconds": limit_s}}, "--like")
    note(describe(config, recorded))
    runs, refused = every_model(config)
    if one_model:
        runs, refused = one_and_recorded(config, recorded), []
    found = []
    for prediction in chain(refused, run_all(runs, recorded.profile(config), stopped)):
        found.append(prediction)
        note(f"{prediction.label}: {prediction.outcome} {prediction.reason or 's'}")
    return sorted(found, key=lambda prediction: prediction.order)


def one_and_recorded(config: Config, recorded: Recorded) -> dict[str, Config]:
    """The configuration, and with the recorded scheme if that is another one."""
    name, own = config.sync.model, recorded.config.sync
    if config.sync_model == recorded.config.sync_model:
        return {name: config}
    label = f"{name}, changed" if name == own.model else name
    return {label: config, own.model: replace(config, sync=own)}


def every_model(config: Config) -> tuple[dict[str, Config], list[Prediction]]:
    """The configuration with each scheme, and predictions that say why others do not fit it."""
    runs, refused = {}, []
    for name in dict.fromkeys([*MODELS, config.sync.model]):
        try:
            runs[name] = config.with_values({"sync": {"model": name}}, name)
        except UsageError as error:
            refused.append(Prediction(name, failure="impossible", reason=f"({error})"))
    return runs, refused


def predict(label: str, config: Config, profile: Profile) -> Prediction:
    """Simulate one run. Only the processes that call this import torch."""
    from adsp_mpi.sim.run import simulate

    try:
        return Prediction(label, simulate(config, profile=profile).report)
    except UsageError:
        raise
    except AdspError as error:
        return Prediction(label, failure="diverged", reason=f"({error})")


def run_all(
    runs: dict[str, Config], profile: Profile, stopped: Callable[[], bool]
) -> Iterator[Prediction]:
    """Yield each prediction when it is done, from one process per core.

    Raises Interrupted soon after `stopped()`.
    """
    processes = min(len(runs), os.cpu_count() or 1)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        try:
            with _interrupts_held_back():
                left = {pool.submit(predict, *run, profile) for run in runs.items()}
            while left:
                done, left = wait(left, LOOK_S, FIRST_COMPLETED)
                if stopped():
                    raise Interrupted("stopped by a signal")
                yield from (future.result() for future in done)
        except BrokenProcessPool as error:
            raise AdspError(
                "a simulating process was killed, perhaps for lack of memory"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """A context whose child processes ignore Ctrl-C: this process ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def describe(config: Config, recorded: Recorded) -> str:
    """Two lines: the question, and the fitted machines."""
    machines, stop = recorded.machines, config.stop
    return (
        f"adsp_mpi: {config.task.name} on the {len(machines)} machines of {recorded.path}, target "
        f"loss {stop.target_loss:g} within {stop.max_seconds:.0f} s, seed {config.run.seed}\n"
        f"fitted: a step {_range([m.step_time_s for m in machines])} s, "
        f"jitter {_range(recorded.sigmas)}, a commit {_range([m.delay_s for m in machines])} s, "
        f"of which busy {_range([m.busy_s for m in machines])} s"
    )


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"


def prediction_table(predictions: Sequence[Prediction], recorded: Recorded, target: float) -> Table:
    """One line per prediction; the recorded scheme's has the measured time to target beside it."""
    measured_s = recorded.time_to_target_s(target)
    measured = "not reached" if measured_s is None else f"{measured_s:.1f}"
    rows = []
    for prediction in predictions:
        own = prediction.label == recorded.config.sync.model
        cells = _report_cells(prediction.report)
        rows.append([prediction.label, prediction.outcome, measured if own else "", *cells])
    return Table(COLUMNS, rows, words=["scheme"])


def _report_cells(report: Report | None) -> list[str]:
    if report is None:
        return ["", "", "", ""]
    return [
        str(report.steps),
        str(report.commits),
        f"{report.sent_mb_s:.3f}",
        f"{report.waiting_share:.1%}",
    ]
