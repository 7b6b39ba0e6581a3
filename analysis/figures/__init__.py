"""The figures of `plot`. A new one is a file here and a line below."""

from typing import TYPE_CHECKING

from adsp_mpi.analysis.extras import require
from adsp_mpi.core.registry import load
from adsp_mpi.errors import UsageError

if TYPE_CHECKING:
    from adsp_mpi.analysis.draw.runs import Plot

PLOTS = {
    "loss": "adsp_mpi.analysis.figures.loss:PLOT",
    "breakdown": "adsp_mpi.analysis.figures.breakdown:PLOT",
    "commits": "adsp_mpi.analysis.figures.commits:PLOT",
    "timeline": "adsp_mpi.analysis.figures.timeline:PLOT",
    "staleness": "adsp_mpi.analysis.figures.staleness:PLOT",
    "search": "adsp_mpi.analysis.figures.search:PLOT",
    "rates": "adsp_mpi.analysis.figures.rates:PLOT",
    "heterogeneity": "adsp_mpi.analysis.figures.heterogeneity:PLOT",
}


def load_plot(name: str) -> "Plot":
    """The figure behind a name of `PLOTS` or `package.module:PLOT`; AdspError without matplotlib.

    Raises UsageError for an unknown one.
    """
    require("matplotlib", "the figures need")
    try:
        return load("figure", name, PLOTS, "PLOT")
    except ValueError as error:
        raise UsageError(str(error)) from error
