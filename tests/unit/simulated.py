"""Small runs in virtual time for the tests of the simulator."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from adsp_mpi.config import Config
from adsp_mpi.core.hetero.profile import Conditions, Profile
from adsp_mpi.layers import layer_of
from adsp_mpi.own_loop.host import GIVEN
from adsp_mpi.sim.own_loop import LoopProblem
from adsp_mpi.sim.run import Simulated, simulate
from adsp_mpi.trace import Trace

QUIET = {"task": {"name": "quadratic"}, "run": {"screen": "quiet"}}


@dataclass(frozen=True)
class Played:
    """A simulated run with its tables."""

    result: Simulated
    folder: Path

    def table(self, path: str) -> np.ndarray:
        with Trace(self.folder) as trace:
            return trace.table(path)

    def tables(self, name: str) -> list[np.ndarray]:
        """This table of every worker."""
        with Trace(self.folder) as trace:
            return [trace.table(f"workers/{w}/{name}") for w in trace.workers]


def config_of(model: str, **sections: dict[str, Any]) -> Config:
    """A configuration of the quadratic with `model`; `sections` are further settings."""
    values: dict[str, dict[str, Any]] = {k: dict(v) for k, v in QUIET.items()}
    values["sync"] = {"model": model}
    for name, settings in sections.items():
        values[name] = values.get(name, {}) | settings
    return Config().with_values(values, "test")


def profile_of(step_times_s: list[float], delays_s: list[float] | float = 0.0) -> Profile:
    """Workers with these constant step times and commit delays."""
    delays = delays_s if isinstance(delays_s, list) else [delays_s] * len(step_times_s)
    pairs = zip(step_times_s, delays, strict=True)
    return Profile(tuple(Conditions(step_s, delay_s=delay_s) for step_s, delay_s in pairs))


def play(folder: Path, model: str, profile: Profile, **sections: dict[str, Any]) -> Played:
    """Simulate into `folder`; without a limit of its own the run ends after 100 s."""
    sections.setdefault("stop", {"max_seconds": 100.0})
    return Played(simulate(config_of(model, **sections), folder, profile=profile), folder)


def play_loop(
    monkeypatch: pytest.MonkeyPatch, folder: Path, function: Callable[[], Any], **more: Any
) -> Played:
    """Simulate the user's function into `folder`; 4 workers and 10 s unless told otherwise."""
    values: dict[str, dict[str, Any]] = {
        "run": {"screen": "quiet"},
        "simulate": {"workers": 4},
        "hetero": {"profile": "ratio:3", "step_time_s": 0.1},
        "stop": {"max_seconds": 10.0},
        "sync": {"check_period_s": 2.0},
        "eval": {"period_s": 1.0},
    }
    for section, settings in more.items():
        values[section] = values.get(section, {}) | settings
    monkeypatch.setattr(GIVEN, "layers", [layer_of(values, "test")])
    folder.mkdir(exist_ok=True)
    loop = LoopProblem(function, values["simulate"]["workers"], seed=1)
    try:
        return Played(simulate(loop.config, folder, loop=loop), folder)
    finally:
        loop.drop()
