"""How does the time to the target loss grow with heterogeneity?

18 workers in the mix of the paper's testbed, its speeds spread further and further apart: H =
1.45 to 3.2, else the base setting. The paper's numbers (AAAI 2020, section 5) are for CIFAR-10: at
H = 3.2 ADSP needs 62.4% less time than Fixed ADACOMM; at H = 1.45 as in `models`.
"""

from typing import Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.experiments.drawing import compared_lines
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.result import Case, Result
from adsp_mpi.analysis.experiments.setting import FIVE_MODELS, Setting

HETEROGENEITIES = (1.45, 2.0, 2.6, 3.2)


def cases(setting: Setting) -> list[Case]:
    return [
        Case(label, setting.config(label, {"hetero": {"profile": f"paper:{h:g}"}}), at=h)
        for h in HETEROGENEITIES
        for label in FIVE_MODELS
    ]


def draw(results: Sequence[Result]) -> Figure:
    return compared_lines(results, "heterogeneity H")


EXPERIMENT = Experiment(
    name="heterogeneity",
    title="Time to the target loss against heterogeneity",
    about=__doc__,
    cases=cases,
    draw=draw,
    axis="H",
    paper={
        ("bsp", 1.45): 80,
        ("ssp", 1.45): 53,
        ("fixed-adacomm", 1.45): 33,
        ("fixed-adacomm", 3.2): 62.4,
    },
)
