"""The declaration of options: default, help text, range of values, and what makes use of them.

Sections of the configuration and synchronization schemes are frozen dataclasses, and each field is
an option:

    staleness: int = option(40, "s, a worker this many steps ahead of the slowest waits", low=1)

A plain field, such as `growth: float = 1.0`, is an option too; it takes any value of that type.
"""

import difflib
import math
from dataclasses import Field, field, fields
from typing import Any, Callable, Iterable, Sequence

ENGINES = ("run", "simulate", "like")
"""The uses that train: under MPI, in virtual time, and in virtual time like a recorded run."""

TASK = (*ENGINES, "profile")
"""The uses that take steps of the task."""


def option(
    default: Any,
    help: str,
    *,
    low: float = -math.inf,
    above: float = -math.inf,
    high: float = math.inf,
    choices: Sequence[Any] = (),
    check: Callable[[Any], object] | None = None,
    used_by: Sequence[str] = ENGINES,
) -> Any:
    """Declare a dataclass field as an option; its type is that of the default.

    The value must be at least `low`, above `above`, at most `high` and one of `choices` if there
    are any. If it is a tuple this holds for each item, and there must be at least one. With a dict
    as the default, which is empty, it is a table of numbers, texts, bools and lists of them.
    `check` raises ValueError for a bad value. `used_by` names the uses that honour the option; all
    others refuse it.
    """
    metadata = {
        "help": help,
        "low": low,
        "above": above,
        "high": high,
        "choices": tuple(choices),
        "check": check,
        "used_by": tuple(used_by),
    }
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def fixed(value: Any, reason: str) -> Any:
    """Declare that an option of the base class has only one `value` in this class.

    It is no longer printed as an option. To set it to another value is an error, with the `reason`.
    """
    return field(default=value, init=False, metadata={"reason": reason})


def options_of(cls: type) -> dict[str, Field[Any]]:
    """The options of a dataclass by name, in the order of their declaration."""
    return {f.name: f for f in fields(cls) if f.init and f.name != "options"}


def fixed_of(cls: type) -> dict[str, Field[Any]]:
    """The fields of a dataclass that were declared with `fixed`, by name."""
    return {f.name: f for f in fields(cls) if "reason" in f.metadata}


def check_options(instance: Any) -> None:
    """Raise ValueError if an option of this dataclass instance has a bad value."""
    for name, spec in options_of(type(instance)).items():
        checked(name, getattr(instance, name), spec)


def checked(name: str, value: Any, spec: Field[Any]) -> Any:
    """`value`, converted to the type of the option `spec`; ValueError says what `name` must be.

    A whole number is accepted for a float, and a list for a tuple.
    """
    if not spec.init:
        if value != spec.default:
            raise ValueError(f"{name} is always {spec.default!r} here: {spec.metadata['reason']}")
        return value
    default = _default(spec)
    if isinstance(default, tuple):
        value = _checked_list(name, value, default, spec)
    elif isinstance(default, dict):
        value = _checked_table(name, value)
    else:
        value = _typed(value, default)
        if type(value) is not type(default):
            raise ValueError(f"{name} = {value!r} must be of type {type(default).__name__}")
        _check_range(name, value, spec)
    if check := spec.metadata.get("check"):
        check(value)
    return value


def hint(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown `word`: the known word nearest to it, and all words."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return f"{meant}; there are: {', '.join(known)}"


def _default(spec: Field[Any]) -> Any:
    """The default, from which the type is known; ValueError unless TOML can hold it."""
    default = {} if spec.default_factory is dict else spec.default
    if default == {}:
        return default
    items = default if isinstance(default, tuple) else (default,)
    if not items or not all(isinstance(item, bool | int | float | str) for item in items):
        raise ValueError(
            f"{spec.name} needs a default value: a number, text, true or false, or a tuple of such"
        )
    return default


def _typed(value: Any, default: Any) -> Any:
    return float(value) if type(default) is float and type(value) is int else value


def _checked_list(name: str, value: Any, default: tuple[Any, ...], spec: Field[Any]) -> Any:
    kind = type(default[0])
    items = tuple(_typed(item, default[0]) for item in value) if _is_list(value) else ()
    if not _is_list(value) or any(type(item) is not kind for item in items):
        raise ValueError(f"{name} = {value!r} must be a list of {kind.__name__}")
    if not items:
        raise ValueError(f"{name} must hold at least 1 value")
    for item in items:
        _check_range(f"each of {name}", item, spec)
    return items


def _checked_table(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} = {value!r} must be a table, as in {name} = {{key = 1}}")
    for key, entry in value.items():
        items = entry if _is_list(entry) else [entry]
        if not all(isinstance(item, bool | int | float | str) for item in items):
            raise ValueError(f"{name}: {key} = {entry!r} must be a number, text, bool, or a list")
    return dict(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _check_range(name: str, value: Any, spec: Field[Any]) -> None:
    limits = spec.metadata
    if (choices := limits.get("choices")) and value not in choices:
        raise ValueError(f"{name} = {value!r}: there are {', '.join(map(str, choices))}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    low, high = limits.get("low", -math.inf), limits.get("high", math.inf)
    above = limits.get("above", -math.inf)
    if not (low <= value <= high and (above < value or above == -math.inf)):
        bounds = [f"at least {low:g}"] if low > -math.inf else []
        bounds += [f"above {above:g}"] if above > -math.inf else []
        bounds += [f"at most {high:g}"] if high < math.inf else []
        raise ValueError(f"{name} = {value} must be {' and '.join(bounds) or 'a number'}")
