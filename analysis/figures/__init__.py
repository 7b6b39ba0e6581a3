"""The figures of `plot` and of the report's page, one file each; a file here appears in both.

A figure has the name of its file. The file's `FIGURE` says what it shows, and draws nothing.
"""

from pkgutil import iter_modules

from adsp_mpi.analysis.series.figure import Figure
from adsp_mpi.core.registry import load
from adsp_mpi.errors import UsageError


def find_figures() -> dict[str, str]:
    """The path `package.module:FIGURE` of each figure in this folder, by name."""
    return {module.name: f"{__name__}.{module.name}:FIGURE" for module in iter_modules(__path__)}


FIGURES = find_figures()


def load_figure(name: str) -> Figure:
    """The figure for a name in `FIGURES` or `package.module:FIGURE`; UsageError if none."""
    try:
        figure: Figure = load("figure", name, FIGURES, "FIGURE")
    except ValueError as error:
        raise UsageError(str(error)) from error
    return figure
