"""The synchronization models by name. A new one is a file here and a line in `MODELS`."""

import difflib
from dataclasses import Field, fields
from typing import Any

from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.registry import load

MODELS = {
    "adsp": "adsp_mpi.core.models.adsp:Adsp",
    "adsp-fixed": "adsp_mpi.core.models.adsp:AdspFixed",
    "adsp-plus": "adsp_mpi.core.models.adsp:AdspPlus",
    "bsp": "adsp_mpi.core.models.bsp:Bsp",
    "ssp": "adsp_mpi.core.models.ssp:Ssp",
    "asp": "adsp_mpi.core.models.asp:Asp",
    "adacomm": "adsp_mpi.core.models.adacomm:Adacomm",
    "fixed-adacomm": "adsp_mpi.core.models.adacomm:FixedAdacomm",
    "batchtune-bsp": "adsp_mpi.core.models.batchtune:BatchTuneBsp",
    "batchtune-fixed-adacomm": "adsp_mpi.core.models.batchtune:BatchTuneFixedAdacomm",
    "wbsp": "adsp_mpi.core.models.wbsp:Wbsp",
}


def model_class(name: str) -> type[SyncModel]:
    """The class behind a name of `MODELS` or behind `package.module:Class`.

    Raises ValueError when there is none.
    """
    found = load("synchronization model", name, MODELS, "Class")
    if not (isinstance(found, type) and issubclass(found, SyncModel)):
        raise ValueError(f"{name!r} is no subclass of adsp_mpi.core.models.base.SyncModel")
    return found


def make_model(name: str, options: dict[str, Any]) -> SyncModel:
    """The model `name` with `options`; ValueError for an unknown option or a bad value."""
    cls = model_class(name)
    known = {field.name: field for field in fields(cls)}
    for key in options:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            raise ValueError(
                f"sync.{key} is no option of model {name!r}{meant}; "
                f"it has: {', '.join(sorted(known))}"
            )
    try:
        return cls(**{key: _typed(key, value, known[key]) for key, value in options.items()})
    except ValueError as error:
        raise ValueError(f"sync.{error}") from error


def _typed(key: str, value: Any, field: Field[Any]) -> Any:
    """`value` in the type of the option's default; an integer may stand for a float."""
    default: Any = field.default
    wanted = type(default)
    if wanted is float and type(value) is int:
        return float(value)
    if wanted is tuple and isinstance(value, list):
        item = type(default[0])
        if all(type(entry) is item for entry in value):
            return tuple(value)
        raise ValueError(f"{key} = {value!r} must be a list of {item.__name__}")
    if type(value) is not wanted:
        raise ValueError(f"{key} = {value!r} must be of type {wanted.__name__}")
    return value
