"""The functions by which a worker records its tables."""

from typing import Callable, NamedTuple


class Tables(NamedTuple):
    """Functions that record a row of a worker's tables, given its values in the schema's order."""

    steps: Callable[..., None]
    commits: Callable[..., None]
    pulls: Callable[..., None]
    waits: Callable[..., None]


def _ignore(*values: object) -> None:
    """Record nothing."""


NO_TABLES = Tables(_ignore, _ignore, _ignore, _ignore)
