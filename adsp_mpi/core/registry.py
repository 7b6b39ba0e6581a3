"""Look-up by name: something built in, or the user's own as `package.module:attribute`."""

from importlib import import_module
from typing import Any, Mapping


def load(kind: str, name: str, built_in: Mapping[str, str], own: str) -> Any:
    """Import what `name` stands for: a key of `built_in`, whose values are paths, or a path.

    A path is `package.module:attribute`. Raises ValueError if there is nothing of that name; `kind`
    and `own` are the words for such a thing and for its attribute in the message.
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
