"""A recorded run as `simulate --like` takes it: its settings, and machines fitted to its trace."""

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
"""A worker's first steps are not typical; they count only where it took few."""
FEW_STEPS = 20

ONE_SIGMA = (15.866, 84.134)
"""Percentiles of a normal distribution one deviation below and above its mean."""
SMALLEST_SIGMA = 0.01


@dataclass(frozen=True)
class Recorded:
    """What was run, how its machines behaved, and what it came to."""

    path: str
    config: Config  # ready to be simulated; model options that have their default are left out
    machines: tuple[Conditions, ...]
    sigmas: tuple[float, ...]  # of each worker's step times, log-normal; 0: always the same
    evaluations: tuple[tuple[float, float], ...]  # (seconds, loss), those that count
    length_s: float
    names_its_task: bool  # not where a script handed its task over as an object

    def profile(self, config: Config) -> Profile:
        """The machines under `config`: its seed makes the jitter, step times are per sample."""
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
        """Seconds that the run took to this target; None where it did not reach it."""
        return time_to_target(self.evaluations, target_loss)


def read_recorded(path: str | Path) -> Recorded:
    """Read and fit the trace at `path`, a run's folder or its file, real or simulated.

    Raises AdspError where it is none, is damaged, or a worker recorded no step.
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
    """The run's settings, less where it ran, how it was shown, and the model's defaults.

    What a simulated server's bandwidth cost is in the commits that are fitted.
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
    """What its steps took, or would have with the configured batch size, float64[steps]."""
    if worker not in trace.workers:
        raise AdspError(f"it holds nothing of worker {worker}")
    steps = trace.table(f"workers/{worker}/steps")
    seconds = steps["compute_s"].astype(float) + steps["sleep_s"]
    seconds *= batch_size / steps["batch_size"]
    if not len(seconds) or not (np.isfinite(seconds) & (seconds > 0)).all():
        raise AdspError(f"worker {worker} has no steps, or one that took no time")
    return seconds


def fit_step_time(seconds: np.ndarray) -> tuple[float, float]:
    """Median and sigma of a log-normal with the mean of `seconds` and the spread of most of them.

    A few steps that took very long do not count for the spread.
    """
    if len(seconds) >= FEW_STEPS:
        seconds = seconds[WARM_UP_STEPS:]
    low, high = np.percentile(np.log(seconds), ONE_SIGMA)
    sigma = float(high - low) / 2
    if sigma < SMALLEST_SIGMA:
        sigma = 0.0
    return float(np.mean(seconds)) / math.exp(sigma**2 / 2), sigma


def _commit_costs(trace: Trace, worker: int, blocking: bool) -> tuple[float, float]:
    """Seconds until a commit lands, and in which a commit or else a pull occupies the worker.

    Medians; NaN where none was recorded. Where commits block, they do not tell the second.
    """
    commits = trace.table(f"workers/{worker}/commits")
    pulls = trace.table(f"workers/{worker}/pulls")
    occupied_s = pulls["duration_s"] if blocking else commits["blocked_s"]
    return _median(commits["done_s"] - commits["begun_s"]), _median(occupied_s)


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else math.nan


def _filled(values: tuple[float, ...]) -> list[float]:
    """With the median of the known ones for those that are NaN; 0 where none is known."""
    known = [value for value in values if not math.isnan(value)]
    middle = float(np.median(known)) if known else 0.0
    return [middle if math.isnan(value) else value for value in values]
