"""Does ADSP keep its lead with twice as many workers?

18 and 36 workers in the same mix of machines, H = 1.45, else the base setting. The paper's number
(AAAI 2020, section 5) is for CIFAR-10: with 36 workers ADSP needs about a third less time than
Fixed ADACOMM; with 18 as in `models`.
Its own best is that of `models`.
"""

from typing import Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.experiments.drawing import compared_bars
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.result import Case, Result
from adsp_mpi.analysis.experiments.setting import FIVE_MODELS, Setting

WORKERS = (18, 36)


def cases(setting: Setting) -> list[Case]:
    return [
        Case(
            label,
            setting.config(label, {"simulate": {"workers": workers}}),
            at=workers,
            raced=setting.config(label),
        )
        for workers in WORKERS
        for label in FIVE_MODELS
    ]


def draw(results: Sequence[Result]) -> Figure:
    return compared_bars(results, "workers")


EXPERIMENT = Experiment(
    name="workers",
    title="Time to the target loss with more workers",
    about=__doc__,
    cases=cases,
    draw=draw,
    axis="workers",
    paper={
        ("bsp", 18): 80,
        ("ssp", 18): 53,
        ("fixed-adacomm", 18): 33,
        ("fixed-adacomm", 36): 33,
    },
)
