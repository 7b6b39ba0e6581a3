"""Which synchronization scheme reaches the target loss first?

18 workers in the mix of the paper's testbed, H = 1.45, in the base setting. The paper's numbers
(AAAI 2020, section 5) are for CIFAR-10: ADSP needs 80% less time than BSP, 53% less than SSP and
33% less than Fixed ADACOMM.
"""

from dataclasses import replace
from typing import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.style import legend_below, panels
from adsp_mpi.analysis.experiments.drawing import bars, look_of, patches
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.result import PAPERS_VALUES, Case, Result, columns_of
from adsp_mpi.analysis.experiments.setting import FIVE_MODELS, Setting, Values


def cases(setting: Setting) -> list[Case]:
    return [Case(label, setting.config(label)) for label in FIVE_MODELS]


def draw(results: Sequence[Result]) -> Figure:
    figure, (left, right) = panels(2)
    _losses(left, results)
    columns = columns_of(results)
    series = {column: [result.time_s(column) for result in results] for column in columns}
    bars(right, [result.case.label for result in results], series)
    right.set_xlabel("time to target (s)")
    legend_below(figure, [*left.get_legend_handles_labels()[0], *patches(columns)])
    return figure


def _losses(axes: Axes, results: Sequence[Result]) -> None:
    """Draw the loss over time of the first seed, with the paper's values."""
    for result in results:
        look, losses = look_of(result.case.label), result.columns[PAPERS_VALUES][0].losses
        axes.plot(
            [time_s for time_s, _ in losses],
            [loss for _, loss in losses],
            color=look.colour,
            linestyle=look.line,
            marker=look.marker,
            markevery=max(1, len(losses) // 6),
            label=result.case.label,
        )
    target_loss = results[0].case.config.stop.target_loss
    axes.axhline(target_loss, color="black", linewidth=0.6)
    at_the_left = axes.get_yaxis_transform()
    axes.text(0.01, target_loss, "target", va="top", size=6, transform=at_the_left)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("time (s)")
    axes.set_ylabel("training loss")
    axes.set_title(PAPERS_VALUES)


def cnn_cases(setting: Setting) -> list[Case]:
    """The same cases with a convolutional network and the paper's values only.

    Tuning them would take hours.
    """
    cnn: Values = {"task": {"name": "digits-cnn"}, "eval": {"samples": 400}}
    return [Case(label, setting.config(label, cnn), tuned=False) for label in FIVE_MODELS]


EXPERIMENT = Experiment(
    name="models",
    title="Time to the target loss",
    about=__doc__,
    cases=cases,
    draw=draw,
    paper={("bsp", ""): 80, ("ssp", ""): 53, ("fixed-adacomm", ""): 33},
)
CNN = replace(
    EXPERIMENT,
    name="models_cnn",
    title="Time to the target loss with a convolutional network",
    cases=cnn_cases,
)
