"""What does each model send?

The runs of `models`. The paper's numbers (AAAI 2020, from the plots of its program) are MB/s that
a worker sends, mean over three of them, for a model of 7.03 MB: BSP 0.42, SSP 0.70, ADACOMM
0.063, Fixed ADACOMM 0.096, ADSP 0.118. Models of different size compare by commits: traffic over
the size of the model.
"""

from dataclasses import replace
from math import ceil, floor, log10
from typing import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from adsp_mpi.analysis.draw.style import legend_below, panels
from adsp_mpi.analysis.experiments import models
from adsp_mpi.analysis.experiments.drawing import bars, patches
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.outcome import Outcome
from adsp_mpi.analysis.experiments.result import Result, columns_of
from adsp_mpi.analysis.experiments.setting import PUBLISHED
from adsp_mpi.analysis.experiments.tables import Numbers, number_table
from adsp_mpi.tables import Table

PAPERS_MODEL_MB = 7.03
PAPERS_TRAFFIC_MB_S = {
    PUBLISHED: 0.118,
    "adacomm": 0.063,
    "fixed-adacomm": 0.096,
    "ssp": 0.70,
    "bsp": 0.42,
}


def until_target_mb(outcome: Outcome) -> float | None:
    """MB that all workers sent until the target, at the run's mean rate."""
    if outcome.time_to_target_s is None:
        return None
    return outcome.sent_mb_s * outcome.num_workers * outcome.time_to_target_s


NUMBERS: Numbers = {
    "MB/s a worker": (lambda outcome: outcome.sent_mb_s, 4),
    "MB of all until the target": (until_target_mb, 1),
    "commits a minute and worker": (lambda outcome: outcome.commits_in(60.0), 2),
}


def tables(results: Sequence[Result]) -> list[Table]:
    table = number_table("Traffic", results, "", NUMBERS)
    rows = [
        [*row, f"{60 * traffic / PAPERS_MODEL_MB:.2f}" if traffic else ""]
        for row in table.rows
        for traffic in [PAPERS_TRAFFIC_MB_S.get(row[0])]
    ]
    return [replace(table, header=[*table.header, "these in the paper"], rows=rows)]


def draw(results: Sequence[Result]) -> Figure:
    columns = columns_of(results)
    figure, axes = panels(2, share_y=True)
    labels = [result.case.label for result in results]
    for panel, name in zip(axes, list(NUMBERS)[:2], strict=True):
        number, _ = NUMBERS[name]
        bars(panel, labels, {c: [r.spread(c, number) for r in results] for c in columns})
        _whole_decades(panel)
    axes[0].set_xlabel("sent by a worker (MB/s)")
    axes[1].set_xlabel("sent by all until the target (MB)")
    legend_below(figure, patches(columns))
    return figure


def _whole_decades(axes: Axes) -> None:
    """Let the logarithmic axis reach from one power of ten to another."""
    low, high = axes.dataLim.minposx, axes.dataLim.x1
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    if low < high:
        axes.set_xlim(10 ** floor(log10(low / 1.5)), 10 ** ceil(log10(high * 1.1)))


EXPERIMENT = Experiment(
    name="traffic",
    title="Traffic",
    about=__doc__,
    cases=models.cases,
    draw=draw,
    compares_times=False,
    own_tables=tables,
)
