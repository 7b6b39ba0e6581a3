"""The synchronization schemes by name. A class here with a `name` of its own is one."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.registry import load
from adsp_mpi.options import checked, fixed_of, hint, options_of


def find_schemes() -> dict[str, str]:
    """The path `package.module:Class` of each scheme in this folder, by its `name`, sorted."""
    found = {}
    for module in iter_modules(__path__):
        for cls in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(cls, type) and issubclass(cls, SyncModel) and "name" in vars(cls):
                found[cls.name] = f"{cls.__module__}:{cls.__qualname__}"
    return dict(sorted(found.items()))


MODELS = find_schemes()


def model_class(name: str) -> type[SyncModel]:
    """The scheme's class, for a name in `MODELS` or a path `package.module:Class`.

    Raises ValueError if there is no such class.
    """
    found = load("scheme", name, MODELS, "Class")
    if not (isinstance(found, type) and issubclass(found, SyncModel)):
        raise ValueError(f"{name!r} is no subclass of adsp_mpi.core.models.base.SyncModel")
    return found


def checked_option(name: str, key: str, value: Any) -> Any:
    """`value`, converted to the type of the scheme's option `key`.

    Raises ValueError if the scheme `name` has no such option or the option cannot have that value.
    """
    cls = model_class(name)
    known = options_of(cls)
    spec = known.get(key) or fixed_of(cls).get(key)
    if spec is None:
        raise ValueError(f"sync.{key} is no option of scheme {name!r}{hint(key, known)}")
    return checked(f"sync.{key}", value, spec)


def make_model(name: str, options: dict[str, Any]) -> SyncModel:
    """The scheme `name` with `options`; ValueError for an unknown option or a bad value."""
    cls = model_class(name)
    values = {key: checked_option(name, key, value) for key, value in options.items()}
    settable = options_of(cls)
    try:
        return cls(**{key: value for key, value in values.items() if key in settable})
    except ValueError as error:
        raise ValueError(f"sync.{error}") from error
