"""Makes the heterogeneity profile that a configuration describes."""

from pathlib import Path

from adsp_mpi.config import Config
from adsp_mpi.core.hetero.presets import PRESETS, make_profile
from adsp_mpi.core.hetero.profile import Profile
from adsp_mpi.core.report import injected_step_times_h
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.runtime.profile_file import read_profile
from adsp_mpi.trace import Trace, schema


def profile_of(config: Config, num_workers: int, step_time_s: float) -> Profile:
    """Make the profile that `[hetero]` describes; UsageError if it is wrong.

    `step_time_s` is the step time of the fastest worker. A folder or an .h5 file names a run
    whose recorded step times are repeated.
    """
    spec = config.hetero.profile
    try:
        if _names_a_run(spec):
            profile = _replayed(spec, num_workers)
        elif spec.endswith(".toml"):
            profile = read_profile(Path(spec), num_workers, step_time_s, config.run.seed)
        else:
            profile = make_profile(spec, num_workers, step_time_s)
    except ValueError as error:
        raise UsageError(f"hetero.profile: {error}") from error
    return profile.with_delay(config.hetero.delay_s)


def _names_a_run(spec: str) -> bool:
    is_preset = spec.partition(":")[0] in PRESETS
    return spec.endswith(".h5") or (not is_preset and (Path(spec) / schema.TRACE_NAME).is_file())


def _replayed(path: str, num_workers: int) -> Profile:
    """Make workers that repeat the recorded step times of a run's workers, in turn if it had fewer.

    Raises ValueError if `path` is not a trace, is damaged, or has no steps.
    """
    try:
        with Trace(path) as trace:
            tables = [trace.table(f"workers/{worker}/steps") for worker in trace.workers]
        durations = [table["compute_s"].astype(float) + table["sleep_s"] for table in tables]
    except (AdspError, OSError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if not durations:
        raise ValueError(f"{path}: no worker recorded its steps there")
    try:
        return Profile.from_durations([durations[i % len(durations)] for i in range(num_workers)])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def injected_h(profile: Profile) -> float | None:
    """H of the injected step times; None if some worker has none."""
    return injected_step_times_h([conditions.step_time_s for conditions in profile.workers])
