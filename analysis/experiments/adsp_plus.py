"""How close does the online search come to the best fixed rate, found offline?

ADSP+ tries some rates from one snapshot and goes on at the best of them: when the trials count for
nothing, that is what an online search is judged by (AAAI 2020). Base setting, all blocking as in
the paper.
"""

from typing import Callable, Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.style import legend_below, panels
from adsp_mpi.analysis.experiments.drawing import bars, patches
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.outcome import Outcome
from adsp_mpi.analysis.experiments.result import Case, Result, columns_of
from adsp_mpi.analysis.experiments.setting import PUBLISHED, Setting
from adsp_mpi.analysis.experiments.tables import Numbers, number_table
from adsp_mpi.analysis.spread import Spread
from adsp_mpi.tables import Table

PLUS = "adsp-plus"


def without_trials_s(outcome: Outcome) -> float | None:
    """The time to target without the time of the trials."""
    if outcome.time_to_target_s is None:
        return None
    return outcome.time_to_target_s - outcome.trial_s


NUMBERS: Numbers = {
    "time to target s": (lambda outcome: outcome.time_to_target_s, 0),
    "of it trials s": (lambda outcome: outcome.trial_s, 0),
    "without them s": (without_trials_s, 0),
}


def cases(setting: Setting) -> list[Case]:
    return [Case(label, setting.config(label)) for label in (PUBLISHED, PLUS)]


def tables(results: Sequence[Result]) -> list[Table]:
    adsp, plus = results
    rows = []
    for column in columns_of(results):
        own, bound = adsp.time_s(column), plus.spread(column, without_trials_s)
        both = own.reached and bound.reached
        rows.append([column, f"{own.middle / bound.middle:.2f}" if both else ""])
    header = ["with", "time of ADSP / time of ADSP+ without its trials"]
    return [
        number_table("The time of the trials", results, "", NUMBERS),
        Table(header, rows, title="ADSP against its bound"),
    ]


def draw(results: Sequence[Result]) -> Figure:
    adsp, plus = results
    figure, [axes] = panels()
    columns = columns_of(results)
    groups: dict[str, Callable[[str], Spread]] = {
        "adsp as\npublished": adsp.time_s,
        "adsp-plus": plus.time_s,
        "adsp-plus\nwithout its\ntrials": lambda column: plus.spread(column, without_trials_s),
    }
    series = {column: [time_s(column) for time_s in groups.values()] for column in columns}
    bars(axes, list(groups), series)
    axes.set_xlabel("time to target (s)")
    legend_below(figure, patches(columns))
    return figure


EXPERIMENT = Experiment(
    name="adsp_plus",
    title="The online search against the offline one",
    about=__doc__,
    cases=cases,
    draw=draw,
    own_tables=tables,
)
