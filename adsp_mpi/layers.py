"""Settings as presets, files and flags give them, before they become a configuration."""

import math
import re
import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

from adsp_mpi.errors import UsageError
from adsp_mpi.options import checked, hint, options_of

PRESETS = resources.files("adsp_mpi") / "presets"


class Setting(NamedTuple):
    """A value for `section.key` and its source, a flag, a file or a preset, for messages."""

    section: str
    key: str
    value: Any
    source: str


Layer = Sequence[Setting]
"""Settings given together, in any order; the last one holds if there are two for a key."""


def layer_of(values: Mapping[str, Mapping[str, Any]], source: str) -> list[Setting]:
    """The settings in `values[section][key]`; UsageError for a value outside any section."""
    for section, table in values.items():
        if not isinstance(table, Mapping):
            raise UsageError(f"{source}: {section} is in no section: write [section] above it")
    return [
        Setting(section, key, value, source)
        for section, table in values.items()
        for key, value in table.items()
    ]


def presets() -> list[str]:
    """The names of the presets in the package."""
    names = (path.name for path in PRESETS.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def preset_layer(name: str) -> list[Setting]:
    """The settings of a preset; UsageError if there is none of that name."""
    if name not in presets():
        raise UsageError(f"unknown preset {name}{hint(name, presets())}")
    return layer_of(tomllib.loads((PRESETS / f"{name}.toml").read_text()), f"preset {name}")


def file_layer(path: str) -> list[Setting]:
    """The settings of a TOML file; UsageError if it cannot be read or is not TOML."""
    source = f"config file {path}"
    try:
        return layer_of(tomllib.loads(Path(path).read_text()), source)
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: not TOML: {error}") from error


def parse_setting(text: str) -> Setting:
    """The setting of `--set section.key=value`; a value that is not TOML is a string."""
    name, equals, value = text.partition("=")
    section, dot, entry = name.strip().partition(".")
    if not (equals and dot and section and entry):
        raise UsageError(f"--set {text}: write section.key=value")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    return Setting(section, entry, parsed, f"--set {text}")


def section_over(old: Any, name: str, layers: Sequence[Layer]) -> Any:
    """The section `old`, called `name`, with the layers' values for its keys.

    Raises UsageError for a bad value and for an unknown key; in the sections of the task and of the
    scheme, which hold other options too, unknown keys are passed over.
    """
    specs = options_of(type(old))
    given = {s.key: s for layer in layers for s in layer if s.section == name}
    for setting in given.values():
        if setting.key not in specs and not hasattr(old, "options"):
            key = setting.key
            raise UsageError(f"{setting.source}: unknown key {name}.{key}{hint(key, specs)}")
    own = {key: setting for key, setting in given.items() if key in specs}
    return replace(
        old,
        **{
            key: value_of(s, lambda s: checked(f"{name}.{s.key}", s.value, specs[s.key]))
            for key, s in own.items()
        },
    )


def value_of(setting: Setting, check: Callable[[Setting], Any]) -> Any:
    """The value that `check` returns; if it raises ValueError, a UsageError names the source."""
    try:
        return check(setting)
    except (ValueError, UsageError) as error:
        raise UsageError(f"{setting.source}: {error}") from error


def options_given(
    section: str, chooser: str, chosen: str, options: dict[str, Any], layers: Sequence[Layer]
) -> Iterator[tuple[Setting, bool]]:
    """The options of a task or scheme, each with whether it was given for the one finally chosen.

    `section.chooser` is the key that chooses it. Below all layers, `options` were given for
    `chosen`. A layer gives its options for what it chooses itself, or else for what the layers
    below it choose.
    """
    given = {key: (Setting(section, key, value, ""), chosen) for key, value in options.items()}
    for layer in layers:
        own = {s.key: s for s in layer if s.section == section}
        if chooser in own:
            chosen = own.pop(chooser).value
        given |= {key: (setting, chosen) for key, setting in own.items()}
    return ((setting, meant_for == chosen) for setting, meant_for in given.values())


def blamed(message: str, layers: Sequence[Layer]) -> str:
    """The source of the last setting whose key `message` contains, or else of the last setting."""
    settings = [setting for layer in layers for setting in layer]
    words = set(re.findall(r"\w+", message))
    named = [setting for setting in settings if setting.key in words]
    return "".join(f"{setting.source}: " for setting in (named or settings)[-1:])


def toml_value(value: Any) -> str:
    """A bool, number, text, list of them, or table of all these, as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_value(v)}" for key, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)
