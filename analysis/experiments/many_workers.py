"""How many workers can be simulated, how fast, and in how much memory?

The quadratic task with 8 to 10,000 workers in the mix of the paper's testbed, H = 1.45, with each
model's defaults and one seed. Actions per second and memory are as measured, on the machine and
with the `--jobs` of the day; the paper has no such comparison.
"""

from typing import Callable, Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.style import from_zero, legend_below, line_handles, panels
from adsp_mpi.analysis.experiments.drawing import line
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.outcome import Outcome
from adsp_mpi.analysis.experiments.result import (
    PAPERS_VALUES,
    Case,
    Result,
    labels_of,
)
from adsp_mpi.analysis.experiments.setting import ADSP, Setting, Values
from adsp_mpi.analysis.experiments.tables import Numbers, number_table
from adsp_mpi.tables import Table

WORKERS = (8, 32, 100, 320, 1000, 3200, 10000)
LABELS = (ADSP, "bsp", "asp")
QUADRATIC: Values = {
    "task": {"name": "quadratic"},
    "stop": {"target_loss": 0.1, "max_seconds": 2000.0},
}


def actions_per_second(outcome: Outcome) -> float | None:
    return outcome.actions / outcome.wall_s if outcome.wall_s else None


NUMBERS: Numbers = {
    "time to target s": (lambda outcome: outcome.time_to_target_s, 0),
    "simulated s": (lambda outcome: outcome.seconds, 0),
    "actions": (lambda outcome: outcome.actions, 0),
    "real s": (lambda outcome: outcome.wall_s, 1),
    "actions a real second": (actions_per_second, 0),
    "memory MB": (lambda outcome: outcome.peak_memory_mb, 0),
}
PANELS: dict[str, Callable[[Outcome], float | None]] = {
    "time to target (s)": lambda outcome: outcome.time_to_target_s,
    "simulated actions a second": actions_per_second,
    "memory of the process (MB)": lambda outcome: outcome.peak_memory_mb,
}


def cases(setting: Setting) -> list[Case]:
    return [
        Case(
            label,
            setting.config(label, {**QUADRATIC, "simulate": {"workers": workers}}),
            at=workers,
            tuned=False,
        )
        for workers in WORKERS
        for label in LABELS
    ]


def tables(results: Sequence[Result]) -> list[Table]:
    return [number_table("As measured", results, "workers", NUMBERS)]


def draw(results: Sequence[Result]) -> Figure:
    figure, axes = panels(len(PANELS))
    for panel, (name, number) in zip(axes, PANELS.items(), strict=True):
        for label in labels_of(results):
            own = [result for result in results if result.case.label == label]
            points = [(float(r.case.at), r.spread(PAPERS_VALUES, number)) for r in own]
            line(panel, points, label)
        panel.set_xscale("log")
        from_zero(panel)
        panel.set_xlabel("workers")
        panel.set_ylabel(name)
    legend_below(figure, line_handles(axes))
    return figure


EXPERIMENT = Experiment(
    name="many_workers",
    title="Many workers",
    about=__doc__,
    cases=cases,
    draw=draw,
    axis="workers",
    compares_times=False,
    own_tables=tables,
    most_seeds=1,
    measures_memory=True,
)
