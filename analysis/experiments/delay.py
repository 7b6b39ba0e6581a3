"""What does a slow network do to the lead of ADSP?

Every commit is held back for 0, 2, 5 or 10 s, else the base setting. In the paper (AAAI 2020,
section 5) ADSP's lead shrinks as the delay grows, because a commit blocks its worker. `adsp`
trains on meanwhile.
Its own best is that of `models`.
"""

from typing import Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.experiments.drawing import compared_lines
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.result import Case, Result
from adsp_mpi.analysis.experiments.setting import ADSP, PUBLISHED, Setting

DELAYS_S = (0.0, 2.0, 5.0, 10.0)
LABELS = (ADSP, PUBLISHED, "fixed-adacomm", "bsp")


def cases(setting: Setting) -> list[Case]:
    return [
        Case(
            label,
            setting.config(label, {"hetero": {"delay_s": delay_s}}),
            at=delay_s,
            raced=setting.config(label),
        )
        for delay_s in DELAYS_S
        for label in LABELS
    ]


def draw(results: Sequence[Result]) -> Figure:
    return compared_lines(results, "commit delay (s)")


EXPERIMENT = Experiment(
    name="delay",
    title="Time to the target loss against the commit delay",
    about=__doc__,
    cases=cases,
    draw=draw,
    axis="delay s",
)
