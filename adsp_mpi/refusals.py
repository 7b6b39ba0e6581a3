"""Refuses settings that would be ignored; `option(used_by=...)` says what honours a setting."""

from typing import Iterator, Sequence

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import Layer, Setting
from adsp_mpi.options import options_of

NAMES = {"run": "a run under MPI", "like": "simulate --like"}

LOCAL_STEP = (
    ("train", "optimizer"), ("train", "optimizer_options"), ("train", "schedule"),
    ("train", "warmup"), ("train", "grad_clip"), ("train", "accumulate"), ("train", "amp"),
)  # fmt: skip
"""Settings of what a task's step does beside plain SGD."""

WITHOUT_DATA = (
    ("train", "partition"), ("train", "loaders"), ("eval", "samples"), ("eval", "batch_size"),
    ("run", "threads"), *LOCAL_STEP,
)  # fmt: skip
"""Settings without a meaning for the quadratic, which needs no torch and has no data."""


ONLY_OF_TASKS = (
    ("task", "name"), ("train", "batch_size"), ("train", "local_lr"), ("train", "lr_decay"),
    ("train", "lr_decay_steps"), ("train", "partition"), ("train", "loaders"),
    ("eval", "samples"), ("eval", "batch_size"), ("run", "device"), *LOCAL_STEP,
)  # fmt: skip
"""Settings of what a user's own loop does by itself."""


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


def require_used_by_loop(layers: Sequence[Layer]) -> None:
    """Raise UsageError, with the source, for a setting that means nothing for a user's own loop."""
    for setting in (setting for layer in layers for setting in layer):
        if (setting.section, setting.key) in ONLY_OF_TASKS:
            raise UsageError(
                f"{setting.source}: your own training loop makes no use of {setting.section}."
                f"{setting.key}; leave it out"
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
