"""The synchronization models by name. A new one is a file here and a line in `MODELS`."""

from dataclasses import Field, fields
from importlib import import_module
from typing import Any

from adsp_mpi.core.models.base import SyncModel

MODELS = {
    "adsp": "adsp_mpi.core.models.adsp:Adsp",
    "bsp": "adsp_mpi.core.models.bsp:Bsp",
}


def model_class(name: str) -> type[SyncModel]:
    """The class behind a name of `MODELS` or behind `package.module:Class`.

    Raises ValueError when there is none.
    """
    path = MODELS.get(name, name)
    if ":" not in path:
        raise ValueError(
            f"unknown synchronization model {name!r}; there are: {', '.join(MODELS)}, "
            "or your own as package.module:Class"
        )
    module, attribute = path.split(":", 1)
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"synchronization model {name!r} cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, SyncModel)):
        raise ValueError(f"{name!r} is no subclass of adsp_mpi.core.models.base.SyncModel")
    return found


def make_model(name: str, options: dict[str, Any]) -> SyncModel:
    """The model `name` with `options`; ValueError for an unknown option or a bad value."""
    cls = model_class(name)
    known = {field.name: field for field in fields(cls)}
    for key in options:
        if key not in known:
            raise ValueError(
                f"sync.{key} is no option of model {name!r}; it has: {', '.join(sorted(known))}"
            )
    try:
        return cls(**{key: _typed(key, value, known[key]) for key, value in options.items()})
    except ValueError as error:
        raise ValueError(f"sync.{error}") from error


def _typed(key: str, value: Any, field: Field) -> Any:
    """`value` in the type of the option's default; an integer may stand for a float."""
    wanted = type(field.default)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise ValueError(f"{key} = {value!r} must be of type {wanted.__name__}")
    return value
