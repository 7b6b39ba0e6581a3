"""The figures of `plot` and of the report's page, one file each; a file here is a figure there.

Its name is the file's, and its `FIGURE` says what it shows. It draws nothing.
"""

from pkgutil import iter_modules

from adsp_mpi.analysis.series.figure import Figure
from adsp_mpi.core.registry import load
from adsp_mpi.errors import UsageError


def find_figures() -> dict[str, str]:
    """Where each figure of this folder is, by its name."""
    return {module.name: f"{__name__}.{module.name}:FIGURE" for module in iter_modules(__path__)}


FIGURES = find_figures()


def load_figure(name: str) -> Figure:
    """The figure behind a name of `FIGURES` or `package.module:FIGURE`; else UsageError."""
    try:
        figure: Figure = load("figure", name, FIGURES, "FIGURE")
    except ValueError as error:
        raise UsageError(str(error)) from error
    return figure
