"""Data files that ship with scikit-learn."""

from importlib.util import find_spec
from pathlib import Path

from adsp_mpi.errors import AdspError


def bundled(name: str) -> Path:
    """The path of a data file of scikit-learn, found without importing it, which takes a second."""
    spec = find_spec("sklearn")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "datasets" / "data" / name
        if path.exists():
            return path
    raise AdspError(f"the installed scikit-learn does not hold {name}; install scikit-learn 1.4+")
