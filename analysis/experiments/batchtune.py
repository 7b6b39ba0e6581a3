"""Can tuned batches do what ADSP does?

BSP and Fixed ADACOMM with batches in proportion to speed (BatchTune), at H = 1.45 and 3.2, else
the base setting. The paper's numbers (AAAI 2020, section 5) are those without tuned batches, as in
`models` and `heterogeneity`.
"""

from typing import Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.experiments import heterogeneity
from adsp_mpi.analysis.experiments.drawing import compared_bars
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.result import Case, Result
from adsp_mpi.analysis.experiments.setting import ADSP, PUBLISHED, Setting

HETEROGENEITIES = (1.45, 3.2)
LABELS = (
    PUBLISHED,
    ADSP,
    "bsp",
    "batchtune-bsp",
    "fixed-adacomm",
    "batchtune-fixed-adacomm",
)


def cases(setting: Setting) -> list[Case]:
    return [
        Case(label, setting.config(label, {"hetero": {"profile": f"paper:{h:g}"}}), at=h)
        for h in HETEROGENEITIES
        for label in LABELS
    ]


def draw(results: Sequence[Result]) -> Figure:
    return compared_bars(results, "heterogeneity H")


EXPERIMENT = Experiment(
    name="batchtune",
    title="Time to the target loss with tuned batches",
    about=__doc__,
    cases=cases,
    draw=draw,
    axis="H",
    paper=heterogeneity.EXPERIMENT.paper,
)
