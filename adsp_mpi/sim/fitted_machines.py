"""Reads a recorded run for `simulate --like`: its settings, and machines fitted to its trace."""

import math
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from adsp_mpi.config import Config
from adsp_mpi.core.hetero.changes import Jitter
from adsp_mpi.core.hetero.profile import Conditions, Profile
from adsp_mpi.core.stop import time_to_target
from adsp_mpi.errors import AdspError
from adsp_mpi.options import options_of
from adsp_mpi.trace import Trace

WARM_UP_STEPS = 5
"""A worker's first steps are not typical; they are left out unless it took few."""
FEW_STEPS = 20

ONE_SIGMA = (15.866, 84.134)
"""The percentiles of a normal distribution at one deviation below and above its mean."""
SMALLEST_SIGMA = 0.01


@dataclass(frozen=True)
class Recorded:
    """A recorded run: its settings, the behaviour of its machines, and its report."""

    path: str
    config: Config  # ready to be simulated, without scheme options at their defaults
    machines: tuple[Conditions, ...]
    sigmas: tuple[float, ...]  # of each worker's log-normal step times; 0: constant
    evaluations: tuple[tuple[float, float], ...]  # (seconds, loss), without those in trials
    length_s: float
    names_its_task: bool  # False if a script passed its task as an object

    def profile(self, config: Config) -> Profile:
        """The machines as a profile; the seed of `config` makes the jitter.

        Step times scale with the batch size of `config`.
        """
        share = config.train.batch_size / self.config.train.batch_size
        return Profile(
            tuple(replace(m, step_time_s=share * m.step_time_s) for m in self.machines),
            changes=tuple(
                Jitter((worker,), sigma=sigma, seed=config.run.seed)
                for worker, sigma in enumerate(self.sigmas)
                if sigma
            ),
        )

    def time_to_target_s(self, target_loss: float) -> float | None:
        """The seconds the run took to reach this target; None if it did not."""
        return time_to_target(self.evaluations, target_loss)


def read_recorded(path: str | Path) -> Recorded:
    """Read the trace at `path`, a file or a run's folder, and fit machines to it.

    Raises AdspError if it is not a trace, is damaged, or a worker recorded no step.
    """
    with Trace(path) as trace:
        try:
            return _read(trace)
        except (AdspError, OSError, KeyError, ValueError) as error:
            missing = "it lacks " if isinstance(error, KeyError) else ""
            reason = missing + str(error).splitlines()[0]
            raise AdspError(f"{trace.path}: cannot be simulated: {reason}") from error


def _read(trace: Trace) -> Recorded:
    meta = trace.meta
    config = _config(meta)
    workers = config.simulate.workers
    steps = [_step_seconds(trace, i, config.train.batch_size) for i in range(workers)]
    fits = [fit_step_time(seconds) for seconds in steps]
    costs = [_commit_costs(trace, i, config.sync_model.blocking_commits) for i in range(workers)]
    delays_s, busy_s = (_filled(values) for values in zip(*costs, strict=True))
    evals = trace.table("ps/evals")
    counted = evals[evals["trial"] == 0]
    return Recorded(
        str(trace.path),
        config,
        tuple(
            Conditions(step_time_s, delay_s=delay, busy_s=busy)
            for (step_time_s, _), delay, busy in zip(fits, delays_s, busy_s, strict=True)
        ),
        tuple(sigma for _, sigma in fits),
        tuple(zip(counted["time_s"].tolist(), counted["loss"].tolist(), strict=True)),
        float(meta.get("end_s", evals["time_s"].max(initial=0.0))),
        meta["task"] == config.task.name or ":" in config.task.name,
    )


def _config(meta: dict[str, Any]) -> Config:
    """The run's settings without where it ran, how it was shown, and the scheme's defaults.

    The limit of a simulated server's bandwidth is left out: the fitted commit costs include it.
    """
    config = Config().with_values(tomllib.loads(meta["config"]), "its configuration")
    model = config.sync_model
    settable = options_of(type(model))
    given = {k: getattr(model, k) for k, o in settable.items() if getattr(model, k) != o.default}
    here: dict[str, dict[str, Any]] = {
        "run": {"out": "", "device": "cpu", "screen": "auto"},
        "simulate": {"workers": int(meta["num_workers"]), "server_bandwidth_mb_s": 0.0},
    }
    config = config.with_values(here, "--like")
    return replace(config, sync=replace(config.sync, options=given))


def _step_seconds(trace: Trace, worker: int, batch_size: int) -> np.ndarray:
    """The times of a worker's steps, s, scaled to the configured batch size, float64[steps]."""
    if worker not in trace.workers:
        raise AdspError(f"it holds nothing of worker {worker}")
    steps = trace.table(f"workers/{worker}/steps")
    seconds = steps["compute_s"].astype(float) + steps["sleep_s"]
    seconds *= batch_size / steps["batch_size"]
    if not len(seconds) or not (np.isfinite(seconds) & (seconds > 0)).all():
        raise AdspError(f"worker {worker} has no steps, or one that took no time")
    return seconds


def fit_step_time(seconds: np.ndarray) -> tuple[float, float]:
    """Median and sigma of the log-normal with the mean of `seconds` and their central spread.

    The spread is taken between percentiles, so that a few very long steps do not count for it.
    """
    if len(seconds) >= FEW_STEPS:
        seconds = seconds[WARM_UP_STEPS:]
    low, high = np.percentile(np.log(seconds), ONE_SIGMA)
    sigma = float(high - low) / 2
    if sigma < SMALLEST_SIGMA:
        sigma = 0.0
    return float(np.mean(seconds)) / math.exp(sigma**2 / 2), sigma


def _commit_costs(trace: Trace, worker: int, blocking: bool) -> tuple[float, float]:
    """Median seconds until a commit lands, and for which commits or pulls occupy the worker.

    NaN if none was recorded. If commits block, the second number comes from the pulls.
    """
    commits = trace.table(f"workers/{worker}/commits")
    pulls = trace.table(f"workers/{worker}/pulls")
    occupied_s = pulls["duration_s"] if blocking else commits["blocked_s"]
    return _median(commits["done_s"] - commits["begun_s"]), _median(occupied_s)


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _filled(values: tuple[float, ...]) -> list[float]:
    """`values` with each NaN replaced by the median of the others, or by 0 if all are NaN."""
    known = [value for value in values if not math.isnan(value)]
    middle = float(np.median(known)) if known else 0.0
    return [middle if math.isnan(value) else value for value in values]
