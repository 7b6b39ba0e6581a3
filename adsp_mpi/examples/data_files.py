"""Where the examples find their data: in a folder that a variable names, or in a package."""

import os
from importlib.util import find_spec
from pathlib import Path

from adsp_mpi.errors import UsageError


def data_files(pattern: str, variable: str, package: str = "") -> list[Path]:
    """The files of this pattern in the folder that the environment's `variable` names.

    Without the variable they are looked for in the folder `data` of the installed `package`, which
    is not imported. Raises UsageError, which says what to do, if there are none.
    """
    spec = find_spec(package) if package else None
    inside = str(Path(spec.origin).with_name("data")) if spec and spec.origin else "."
    folder = Path(os.environ.get(variable) or inside).expanduser()
    if found := sorted(folder.glob(pattern)):
        return found
    install = f", or pip install {package}" if package else ""
    raise UsageError(f"no {pattern} in {folder}: set {variable} to the folder of the data{install}")
