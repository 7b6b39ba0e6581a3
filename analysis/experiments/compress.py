"""What do fewer bytes a commit bring where links are thin?

Every worker's link carries a whole commit in 14 s, what one took in the paper; nothing else delays
it. Else the base setting. Commits and answers go whole, as float16 or bfloat16, or with a tenth or
a hundredth of the numbers alone; what a commit leaves out goes with the next one. Its own best is
that of `models`. The paper has no such comparison.
"""

from typing import Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.experiments.drawing import compared_bars
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.profiles import slowdowns
from adsp_mpi.analysis.experiments.result import Case, Result
from adsp_mpi.analysis.experiments.setting import ADSP, Setting
from adsp_mpi.analysis.experiments.tables import Numbers, number_table
from adsp_mpi.analysis.experiments.traffic import until_target_mb
from adsp_mpi.tables import Table

COMMIT_S = 14.0
PARAMETERS = 7510  # of the base task's model
COMPRESS = ("none", "float16", "bfloat16", "topk:0.1", "topk:0.01")
LABELS = (ADSP, "fixed-adacomm", "bsp")
NUMBERS: Numbers = {"MB of all until the target": (until_target_mb, 1)}


def cases(setting: Setting) -> list[Case]:
    profile = setting.folder / "thin.toml"
    profile.write_text(thin_links(setting))
    links = {"hetero": {"profile": str(profile), "delay_s": 0.0}}
    return [
        Case(
            label,
            setting.config(label, {**links, "train": {"compress": compress}}),
            at=compress,
            raced=setting.config(label),
        )
        for compress in COMPRESS
        for label in LABELS
    ]


def thin_links(setting: Setting) -> str:
    """A profile of the base speeds, with links on which a whole commit takes `COMMIT_S`."""
    num_workers = setting.base.simulate.workers
    links = [float(f"{4e-6 * PARAMETERS / COMMIT_S:.6g}")] * num_workers
    return f"{slowdowns(num_workers)}bandwidth_mb_s = {links}\n"


def tables(results: Sequence[Result]) -> list[Table]:
    return [number_table("Traffic", results, "commits", NUMBERS)]


def draw(results: Sequence[Result]) -> Figure:
    return compared_bars(results, "commits", share_x=False)


EXPERIMENT = Experiment(
    name="compress",
    title="Time to the target loss with compressed commits",
    about=__doc__,
    cases=cases,
    draw=draw,
    axis="commits",
    own_tables=tables,
)
