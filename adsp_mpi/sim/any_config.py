"""Simulates what a configuration alone describes: a task, or a user's function."""

from dataclasses import fields
from functools import partial
from typing import Any

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import Layer, layer_of
from adsp_mpi.learn.tasks import OWN_LOOP
from adsp_mpi.own_loop.host import GIVEN, load_program
from adsp_mpi.runtime.data_shares import torch_seed
from adsp_mpi.sim.own_loop import LoopProblem
from adsp_mpi.sim.run import Simulated, simulate

PROGRAM = "program"
"""The option of the task `own-loop` that names the function, as my_training:train."""


def simulate_any(config: Config) -> Simulated:
    """Simulate `config` without a folder.

    With the task `own-loop` its option `program` names a function that calls `adsp_mpi.join`; its
    other options are the function's arguments, and what differs from the defaults in `config` goes
    over the function's own settings. Raises UsageError for wrong settings, AdspError if the run
    fails.
    """
    if config.task.name != OWN_LOOP:
        return simulate(config)
    arguments = dict(config.task.options)
    if not (program := arguments.pop(PROGRAM, "")):
        raise UsageError(f"task {OWN_LOOP}: task.{PROGRAM} must name the function that trains")
    function = partial(load_program(program), **arguments)
    before, GIVEN.layers = GIVEN.layers, [settings_for_loop(config)]
    try:
        loop = LoopProblem(function, config.simulate.workers, torch_seed(config, 0))
        try:
            return simulate(loop.config, loop=loop)
        finally:
            loop.drop()
    finally:
        GIVEN.layers = before


def settings_for_loop(config: Config) -> Layer:
    """What a user's loop is told of `config`: its scheme, and what differs from the defaults."""
    values: dict[str, dict[str, Any]] = {
        name: _differing(getattr(config, name), getattr(Config(), name))
        for name in ("run", "hetero", "stop", "eval", "simulate")
    }
    values["sync"] = {"model": config.sync.model, **config.sync.options}
    return layer_of(values, "the configuration")


def _differing(section: Any, usual: Any) -> dict[str, Any]:
    """The values of `section` that are not those of `usual`, by their keys."""
    own = {field.name: getattr(section, field.name) for field in fields(section)}
    return {key: value for key, value in own.items() if value != getattr(usual, key)}
