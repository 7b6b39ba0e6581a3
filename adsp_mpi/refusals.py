"""Refuses settings that would be ignored; `option(used_by=...)` says what honours a setting."""

from typing import Iterator, Sequence

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import Layer, Setting
from adsp_mpi.options import options_of

NAMES = {"run": "a run under MPI", "like": "simulate --like"}

WITHOUT_DATA = (("train", "partition"), ("eval", "samples"), ("run", "threads"))
"""Settings without a meaning for the quadratic, which needs no torch and has no data."""


def require_used(verb: str, base: Config, config: Config, layers: Sequence[Layer]) -> None:
    """Raise UsageError, with the source, if `verb` would ignore a setting of `layers`.

    `config` is `base` with these layers, and perhaps others, over it. A setting whose value is that
    of `base` is accepted.
    """
    last = {(s.section, s.key): s for layer in layers for s in layer}
    for setting in last.values():
        if _value(setting, config) == _value(setting, base) is not None:
            continue
        for ignoring in _ignoring(setting, verb, config):
            raise UsageError(
                f"{setting.source}: {ignoring} no use of {setting.section}.{setting.key}; "
                "leave it out"
            )


def _value(setting: Setting, config: Config) -> object:
    """The value of the setting's key in `config`; None for an option of a task or a scheme."""
    return getattr(getattr(config, setting.section), setting.key, None)


def _ignoring(setting: Setting, verb: str, config: Config) -> Iterator[str]:
    """The beginnings of messages, one for each reason why the setting would be ignored."""
    specs = options_of(type(getattr(config, setting.section)))
    chooser = next(iter(specs.values()))  # the options of a task or a scheme are used where it is
    if verb not in specs.get(setting.key, chooser).metadata["used_by"]:
        yield f"{NAMES.get(verb, verb)} makes"
    key = (setting.section, setting.key)
    if config.task.name == "quadratic" and key in WITHOUT_DATA:
        yield "task quadratic makes"
    if verb == "run" and config.hetero.profile == "none" and key == ("hetero", "step_time_s"):
        yield "real speeds make"
