"""What if the speeds change while training goes on?

Three profiles of 18 workers in the mix of the paper's testbed, H = 1.45, else the base setting.
`steady` is that of `models`. `drifting`: the fastest third becomes evenly slower, after 600 s
three times. `bursty`: every worker straggles, five times slower for 60 s after random gaps of mean
300 s, and all step times vary (log-normal, sigma 0.2). The paper has no such comparison.
Its own best is that of `models`.
"""

from typing import Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.experiments.drawing import compared_bars
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.result import Case, Result
from adsp_mpi.analysis.experiments.setting import FIVE_MODELS, Setting
from adsp_mpi.core.hetero.presets import PAPER_H, paper_speeds

DRIFT_S = 600
STRAGGLERS = "{every_s = 300, for_s = 60, slowdown = 5}"


def cases(setting: Setting) -> list[Case]:
    return [
        Case(
            label,
            setting.config(label, {"hetero": {"profile": profile}}),
            at=name,
            raced=setting.config(label),
        )
        for name, profile in _profiles(setting).items()
        for label in FIVE_MODELS
    ]


def drifting(num_workers: int) -> str:
    """The profile in which the fastest third, the last workers, becomes three times slower."""
    fastest = list(range(num_workers - num_workers // 3, num_workers))
    change = f"[[change]]\nworkers = {fastest}\nto_s = {DRIFT_S}\ndrift_to = 3\n"
    return slowdowns(num_workers) + change


def bursty(num_workers: int) -> str:
    """The profile in which every worker straggles now and then."""
    straggle = f"[[change]]\nstraggle = {STRAGGLERS}\n"
    return slowdowns(num_workers) + straggle + "\n[[change]]\njitter = 0.2\n"


def slowdowns(num_workers: int) -> str:
    """The line of a profile that sets the testbed's speeds."""
    speeds = paper_speeds(num_workers, PAPER_H)
    relative = ", ".join(f"{slowdown:.6g}" for slowdown in speeds.max() / speeds)
    return f"slowdown = [{relative}]\n\n"


def _profiles(setting: Setting) -> dict[str, str]:
    """Write the profile files; returns `hetero.profile` for each case."""
    num_workers = setting.base.simulate.workers
    profiles = {"steady": setting.base.hetero.profile}
    for name, text in (("drifting", drifting(num_workers)), ("bursty", bursty(num_workers))):
        path = setting.folder / f"{name}.toml"
        path.write_text(text)
        profiles[name] = str(path)
    return profiles


def draw(results: Sequence[Result]) -> Figure:
    return compared_bars(results, "speeds")


EXPERIMENT = Experiment(
    name="profiles",
    title="Time to the target loss when speeds change",
    about=__doc__,
    cases=cases,
    draw=draw,
    axis="speeds",
)
