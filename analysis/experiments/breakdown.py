"""Where does the workers' time go?

The runs of `models`: how much of all workers' time is computing, committing and waiting. The
slowness that is injected counts as computing.
"""

from typing import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from adsp_mpi.analysis.draw.style import GREEN, ORANGE, SKY, Look, legend_below, panels
from adsp_mpi.analysis.experiments import models
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.result import Result, columns_of
from adsp_mpi.analysis.experiments.tables import Numbers, number_table
from adsp_mpi.tables import Table

SHARES: Numbers = {
    "computing %": (lambda outcome: 100 * outcome.computing_share, 1),
    "committing %": (lambda outcome: 100 * outcome.committing_share, 1),
    "waiting %": (lambda outcome: 100 * outcome.waiting_share, 1),
}
LOOKS = (Look(GREEN, ""), Look(ORANGE, "", hatch="////"), Look(SKY, "", hatch="...."))


def tables(results: Sequence[Result]) -> list[Table]:
    return [number_table("Shares of the workers' time", results, "", SHARES)]


def draw(results: Sequence[Result]) -> Figure:
    columns = columns_of(results)
    figure, axes = panels(len(columns), share_y=True)
    for panel, column in zip(axes, columns, strict=True):
        _stacks(panel, results, column)
        panel.set_title(column)
        panel.set_xlabel("share of the workers' time (%)")
    labels = [name.removesuffix(" %") for name in SHARES]
    legend_below(
        figure,
        [
            Patch(facecolor=look.colour, hatch=look.hatch, edgecolor="white", lw=0, label=label)
            for look, label in zip(LOOKS, labels, strict=True)
        ],
    )
    return figure


def _stacks(axes: Axes, results: Sequence[Result], column: str) -> None:
    """Draw one bar per scheme that has runs in this column."""
    for row, result in enumerate(results):
        left = 0.0
        for look, (number, _) in zip(LOOKS, SHARES.values(), strict=True):
            share = result.spread(column, number)
            if not share.reached:
                continue
            axes.barh(
                row,
                share.middle,
                0.7,
                left=left,
                color=look.colour,
                hatch=look.hatch,
                edgecolor="white",
                linewidth=0,
            )
            left += share.middle
    axes.set_yticks(range(len(results)), [result.case.label for result in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.tick_params(axis="y", length=0)


EXPERIMENT = Experiment(
    name="breakdown",
    title="What the workers spend their time on",
    about=__doc__,
    cases=models.cases,
    draw=draw,
    compares_times=False,
    own_tables=tables,
)
