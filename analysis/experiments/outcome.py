"""The outcome of one simulated run, as the experiments keep it."""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from adsp_mpi.config import Config
from adsp_mpi.core.report import Report
from adsp_mpi.errors import AdspError, Interrupted, UsageError

MOST_EVALUATIONS = 400


@dataclass(frozen=True, kw_only=True)
class Outcome(Report):
    """A simulated run as JSON can hold it: its report without single workers, and numbers that
    only the simulator has. Numbers that are not finite are None.

    A run that failed, because its loss became NaN, has only the reason, in `failed`.
    """

    config: str = ""  # TOML, without the folder and with a profile file's name only
    failed: str = ""
    actions: int = 0
    wall_s: float = 0.0
    peak_memory_mb: float | None = None  # of the simulating process
    losses: Sequence[Sequence[float]] = ()  # (seconds, loss), thinned
    targets: Sequence[Mapping[str, Any]] = ()
    searches: Sequence[Mapping[str, Any]] = ()  # what the online search reported

    def commits_in(self, seconds: float) -> float:
        """A worker's commits in `seconds`, mean over the run and the workers."""
        return seconds * self.commits / self.num_workers / self.seconds


Run = Callable[[Config], Outcome]


def simulate(config: Config) -> Any:
    """Simulate `config`; imports torch, which only the processes that call this need."""
    from adsp_mpi.sim.any_config import simulate_any

    return simulate_any(config)


def run_config(config: Config, simulate: Callable[[Config], Any] = simulate) -> Outcome:
    """Simulate `config`. A run that diverges is an outcome too; a wrong setting is an error."""
    _forget_peak_memory()
    try:
        simulated = simulate(config)
    except (UsageError, Interrupted):
        raise
    except AdspError as error:
        return Outcome(seed=config.run.seed, failed=str(error))
    return replace(outcome_of(simulated), peak_memory_mb=_peak_memory_mb())


def outcome_of(simulated: Any) -> Outcome:
    """The outcome of an `adsp_mpi.sim.run.Simulated`."""
    report = replace(simulated.report, workers=())
    beside = {
        "actions": simulated.actions,
        "wall_s": simulated.wall_s,
        "losses": thinned(simulated.evaluations),
        "targets": simulated.targets,
        "searches": [values for table, values in simulated.told if table == "search"],
    }
    return Outcome(**_plain({**report.as_dict(), **beside}))


def thinned(points: Sequence[Any], most: int = MOST_EVALUATIONS) -> list[Any]:
    """At most `most` of the points, evenly spread, with the first and the last."""
    if len(points) <= most:
        return list(points)
    return [points[i] for i in np.linspace(0, len(points) - 1, most).round().astype(int)]


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _forget_peak_memory() -> None:
    """Reset the process's peak memory; only Linux can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_memory_mb() -> float | None:
    """The largest resident memory since the peak was reset, MB; None if unknown."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return None
