"""Packages that only some verbs need."""

from importlib.util import find_spec

from adsp_mpi.errors import AdspError


def require(package: str, what: str) -> None:
    """Raise AdspError, with the way to install `package`, if it is missing; `what` needs it."""
    if find_spec(package) is None:
        raise AdspError(f"{what} {package}: pip install 'adsp-mpi[analysis]'")
