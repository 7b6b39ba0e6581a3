"""A figure of runs, as `plot` prints it."""

from matplotlib.figure import Figure as PrintedFigure

from adsp_mpi.analysis.draw.layout import View, draw
from adsp_mpi.analysis.figures import load_figure
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.runs import run_labels


def printed(name: str, *runs: RunTrace, view: View | None = None) -> PrintedFigure:
    labels = run_labels(runs)
    return draw(load_figure(name), dict(zip(labels, runs, strict=True)), view or View())[0]
