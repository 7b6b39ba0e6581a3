"""Finds the checkpoint that a run resumes from, and says which settings may change then."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adsp_mpi.config import Config
from adsp_mpi.core.stop import STEPS_TAKEN
from adsp_mpi.errors import AdspError, NothingToDo, UsageError
from adsp_mpi.runtime.checkpoint_files import SERVER, load, newest_checkpoint, whole_checkpoints
from adsp_mpi.stop_section import StopSection

AUTO = "auto"
MAY_CHANGE = ("run", "stop", "checkpoint", "trace", "hetero")
"""Sections of the configuration that may change when a run resumes; the rest is what is trained."""

ALSO_OF_TRAIN = ("local_lr", "lr_decay", "lr_decay_steps", "schedule", "warmup", "loaders")
"""Keys of [train] that may change too: nothing that is saved depends on them."""


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: its folder, its run's folder and what the server wrote."""

    path: Path
    run: Path
    state: dict[str, Any]


def open_checkpoint(name: str) -> Checkpoint:
    """Read the checkpoint in folder `name`, or the newest one of the run in folder `name`.

    Raises AdspError if there is none that can be read.
    """
    path = Path(name)
    if not (path / SERVER).exists():
        path = newest_checkpoint(path)
    return Checkpoint(path, path.parent.parent, load(path / SERVER))


def find_checkpoint(config: Config) -> Checkpoint | None:
    """Read the checkpoint that `run.resume` names; None with "auto" and no checkpoint yet.

    Raises UsageError if a setting differs from the checkpoint's and may not change midway,
    NothingToDo if the run had ended and its limits let it train no more, AdspError if the
    checkpoint cannot be read.
    """
    if not config.run.resume:
        return None
    if config.run.resume == AUTO:
        if not config.run.out:
            raise UsageError("--resume auto looks into the run's folder: give it with --out")
        if not whole_checkpoints(Path(config.run.out)):
            return None
    found = open_checkpoint(config.run.out if config.run.resume == AUTO else config.run.resume)
    before = Config().with_values(tomllib.loads(found.state["config"]), "checkpoint")
    _require_same(config, before)
    _require_unfinished(found, config.stop, before.stop)
    return found


def resumed_config(name: str) -> Config:
    """The configuration of the run that `--resume NAME` goes on with, in its own folder.

    Raises UsageError if it has no checkpoint that can be read.
    """
    try:
        found = open_checkpoint(name)
    except AdspError as error:
        raise UsageError(f"--resume: {error}") from error
    config = Config().with_values(tomllib.loads(found.state["config"]), f"{found.path}")
    return config.with_values({"run": {"resume": name, "out": str(found.run)}}, "--resume")


def base_config(name: str | None) -> Config:
    """The configuration of the run that is resumed by `name`; for none, and AUTO, the defaults."""
    return resumed_config(name) if name and name != AUTO else Config()


def _require_unfinished(found: Checkpoint, limits: StopSection, before: StopSection) -> None:
    """Raise NothingToDo if the run had ended and may not go on under `limits` either."""
    state, ended = found.state, found.state["ended"]
    if not ended:
        return
    simulated = "engine" in state
    now = state["engine"]["clock"][0] if simulated else state["server"]["now"]
    rule = limits.rule()
    steering = state["engine" if simulated else "server"]["steering"]
    rule.recent.extend(steering["recent"])
    rule.best.load_state_dict(steering["best"])
    if rule.timed(now):
        wanted = "a larger --max-seconds"
    elif ended == STEPS_TAKEN and 0 < limits.max_steps <= before.max_steps:
        wanted = "a larger --max-steps"
    elif rule.settled():
        wanted = "a smaller --target-loss or stop.loss_variance, or a larger stop.patience"
    else:
        return
    raise NothingToDo(
        f"{found.run} had ended after {now:.1f} s: {ended}; it goes on only with {wanted}"
    )


def _require_same(now: Config, before: Config) -> None:
    is_now, was = tomllib.loads(now.to_toml()), tomllib.loads(before.to_toml())
    for section in [name for name in is_now if name not in MAY_CHANGE]:
        may_change = ALSO_OF_TRAIN if section == "train" else ()
        keys = [*is_now[section], *was[section]]  # what names a scheme or a task comes first
        for key in [key for key in keys if key not in may_change]:
            mine, theirs = is_now[section].get(key), was[section].get(key)
            if mine != theirs:
                raise UsageError(
                    f"resume: {section}.{key} was {theirs!r} and cannot become {mine!r} midway; "
                    "leave it, or begin a new run with another --out"
                )
