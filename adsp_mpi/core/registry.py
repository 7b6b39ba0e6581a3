"""Things by name: a built-in one, or the user's own as `package.module:attribute`."""

from importlib import import_module
from typing import Any, Mapping


def load(kind: str, name: str, built_in: Mapping[str, str], own: str) -> Any:
    """What `name` stands for: a key of `built_in`, whose values are paths, or a path itself.

    `kind` and `own` are words for the ValueError, which says what there is.
    """
    path = built_in.get(name, name)
    if ":" not in path:
        raise ValueError(
            f"unknown {kind} {name!r}; there are: {', '.join(built_in)}, "
            f"or your own as package.module:{own}"
        )
    module, attribute = path.split(":", 1)
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{kind} {name!r} cannot be loaded: {error}") from error
