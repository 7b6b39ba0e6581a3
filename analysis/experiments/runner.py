"""Runs many configurations, several at a time, and keeps each one's outcome."""

import hashlib
import json
import sys
from contextlib import closing
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Generator, Iterable, Sequence, TypeVar

from adsp_mpi.analysis.experiments.outcome import Outcome, Run, run_config
from adsp_mpi.analysis.experiments.pool import HerePlace, Places, ProcessPlaces
from adsp_mpi.config import Config
from adsp_mpi.errors import AdspError

T = TypeVar("T")

Plan = Generator[Sequence[Config], list[Outcome], T]
"""A plan yields configurations that may run side by side, receives outcomes, returns a result."""

Keyed = list[tuple[str, Config]]


def all_of(configs: Sequence[Config]) -> Plan[list[Outcome]]:
    """The plan that runs all `configs` side by side."""
    return (yield configs)


class Runner:
    """Keeps outcomes in `folder`/runs.jsonl, and does not repeat runs that are there.

    With `jobs` 0 runs are simulated in this process. Only this process writes; an interrupt loses
    the runs in progress, but no finished one.
    """

    def __init__(self, folder: Path, jobs: int, run: Run = run_config) -> None:
        self._jobs, self._run = jobs, run
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "runs.jsonl"
        self._known = _read(self._path)

    @property
    def simulating_s(self) -> float:
        """The real seconds of all kept runs, summed."""
        return sum(outcome.wall_s for outcome in self._known.values())

    def play(self, plans: Sequence[Plan[T]], one_run_each: bool = False) -> list[T]:
        """Run all plans to their ends, side by side; returns their results.

        With `one_run_each` no two runs share a process.
        """
        results: dict[int, T] = {}
        wanted: dict[int, Keyed] = {}

        def advance(number: int, outcomes: list[Outcome] | None) -> None:
            try:
                configs = plans[number].send(outcomes)  # type: ignore[arg-type]
                wanted[number] = [(key_of(config), config) for config in configs]
            except StopIteration as end:
                results[number] = end.value
                wanted.pop(number, None)

        for number in range(len(plans)):
            advance(number, None)
        with closing(self._places(one_run_each)) as places:
            running: dict[str, Config] = {}
            while wanted:
                ready = [n for n, runs in wanted.items() if all(k in self._known for k, _ in runs)]
                for number in ready:
                    advance(number, [self._known[key] for key, _ in wanted[number]])
                if not ready:
                    self._start(wanted.values(), running, places)
                    for key, outcome in places.finished():
                        self._keep(key, running.pop(key), outcome)
        return [results[number] for number in range(len(plans))]

    def _places(self, one_run_each: bool) -> Places:
        if not self._jobs:
            return HerePlace(self._run)
        return ProcessPlaces(self._jobs, self._run, one_run_each)

    def _start(self, wanted: Iterable[Keyed], running: dict[str, Config], places: Places) -> None:
        """Start as many of the `wanted` runs as there is room for, in order."""
        for key, config in chain.from_iterable(wanted):
            if not places.free:
                return
            if key not in self._known and key not in running:
                places.start(key, config)
                running[key] = config

    def _keep(self, key: str, config: Config, outcome: Outcome) -> None:
        outcome = replace(outcome, config=kept_toml(config))
        with self._path.open("a") as file:
            file.write(json.dumps({"key": key, **outcome.as_dict()}, allow_nan=False) + "\n")
        self._known[key] = outcome
        print(_line(config, outcome), file=sys.stderr, flush=True)


def key_of(config: Config) -> str:
    """A digest of all that a run depends on: configuration, profile file's content, version."""
    profile = Path(config.hetero.profile)
    content = profile.read_bytes() if profile.suffix == ".toml" else b""
    parts = (kept_toml(config).encode(), content, _version().encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def kept_toml(config: Config) -> str:
    """The configuration as TOML, without paths on this machine."""
    profile = Path(config.hetero.profile)
    name = profile.name if profile.suffix == ".toml" else config.hetero.profile
    run, hetero = replace(config.run, out=""), replace(config.hetero, profile=name)
    return replace(config, run=run, hetero=hetero).to_toml()


@cache
def _version() -> str:
    """This package's version, read once: every run's key holds it."""
    return version("adsp-mpi")


def _read(path: Path) -> dict[str, Outcome]:
    """The outcomes of an earlier call; a last line that was cut off is removed from the file."""
    if not path.exists():
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        path.write_bytes(whole)
    known = {}
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            row = json.loads(line)
            key = row.pop("key")
            known[key] = Outcome(**row)
        except (ValueError, KeyError, TypeError) as error:
            raise AdspError(f"{path}: line {number} is no run ({error}); remove it") from error
    return known


def _line(config: Config, outcome: Outcome) -> str:
    """The line of progress for a finished run."""
    time_s = outcome.time_to_target_s
    came_to = f"target at {time_s:.0f} s" if time_s is not None else f"{outcome.seconds:.0f} s"
    return (
        f"{config.sync.model}, {config.simulate.workers} workers, "
        f"{Path(config.hetero.profile).name}, seed {outcome.seed}: "
        f"{outcome.failed or came_to} ({outcome.wall_s:.1f} s)"
    )
