"""Which commit rate is best, and do the online searches find it?

`adsp-fixed` at one commit rate after the other, and ADSP with the paper's search and with the
better one; commits block as in the paper, or do not. By Theorem 1 of AAAI 2020 rare
commits act like momentum: the implicit momentum is the theorem's, mean over the check periods.
A rate is kept only as far as a commit takes less than its share of the check period, see the
commits done. The own best are the learning rates that win the race of ADSP with its search.
"""

from dataclasses import replace
from functools import partial
from math import inf
from statistics import mean
from typing import Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.style import from_zero, legend_below, line_handles, panels
from adsp_mpi.analysis.experiments.drawing import line, look_of
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.outcome import Outcome
from adsp_mpi.analysis.experiments.result import Case, Result, columns_of
from adsp_mpi.analysis.experiments.setting import ADSP, BETTER_SEARCH, PUBLISHED, SYNC, Setting
from adsp_mpi.analysis.experiments.tables import number_table, times_table
from adsp_mpi.config import Config
from adsp_mpi.tables import Table

RATES = (1, 2, 3, 4, 6)
FIXED = "adsp-fixed"
SEARCHES = {f"{name} search": name for name in (SYNC[PUBLISHED]["search"], BETTER_SEARCH)}
SEARCH_LINES = ("--", ":")


def cases(setting: Setting, blocking: bool = True) -> list[Case]:
    def config(label: str, name: str, value: int | str) -> Config:
        return setting.config(label, {"sync": {name: value, "blocking_commits": blocking}})

    raced = setting.config(PUBLISHED if blocking else ADSP)
    fixed = [
        Case(FIXED, config(FIXED, "commit_rate", rate), at=rate, raced=raced) for rate in RATES
    ]
    searched = [
        Case(label, config(PUBLISHED, "search", name), at="searched", raced=raced)
        for label, name in SEARCHES.items()
    ]
    return fixed + searched


def tables(results: Sequence[Result]) -> list[Table]:
    period_s = results[0].case.config.sync_model.check_period_s
    numbers = {
        "implicit momentum": (mean_momentum, 2),
        "commits done a period": (lambda outcome: outcome.commits_in(period_s), 2),
    }
    return [
        times_table(results, "commit rate"),
        number_table("What the rates amount to", results, "commit rate", numbers),
        searches_table(results),
    ]


def searches_table(results: Sequence[Result]) -> Table:
    """The rates found by the searches, beside the best fixed rate of the same column."""
    rows = []
    for column in columns_of(results):
        best = min(_fixed(results), key=lambda result: result.time_s(column).middle)
        best_s = best.time_s(column)
        for result in _searched(results):
            time_s = result.time_s(column)
            both = best_s.reached and time_s.reached
            rows.append(
                [
                    result.case.label,
                    column,
                    time_s.text(0),
                    result.spread(column, landed_rate).text(0, infinite="-"),
                    result.spread(column, lambda o: len(o.searches)).text(0, infinite="-"),
                    f"{best.case.at}" if best_s.reached else "",
                    best_s.text(0),
                    f"{time_s.middle / best_s.middle:.2f}" if both else "",
                ]
            )
    header = ["search", "with", "s", "rate found", "rates tried", "best rate", "its s", "ratio"]
    return Table(header, rows, title="The online searches")


def mean_momentum(outcome: Outcome) -> float | None:
    """The implicit momentum, mean over the check periods in which it is known."""
    known = [t["implicit_momentum"] for t in outcome.targets if t["implicit_momentum"] is not None]
    return mean(known) if known else None


def landed_rate(outcome: Outcome) -> float | None:
    """The last rate in force before the target was reached, without rates on trial."""
    end_s = inf if outcome.time_to_target_s is None else outcome.time_to_target_s
    held = [
        target["commit_rate"]
        for target in outcome.targets
        if target["phase"] != "search" and target["time_s"] <= end_s
    ]
    return held[-1] if held else None


def draw(results: Sequence[Result]) -> Figure:
    figure, (left, right) = panels(2)
    for column in columns_of(results):
        fixed = _fixed(results)
        line(left, [(float(r.case.at), r.time_s(column)) for r in fixed], column)
        momenta = [(float(r.case.at), r.spread(column, mean_momentum)) for r in fixed]
        line(right, momenta, column)
        for result, style in zip(_searched(results), SEARCH_LINES, strict=True):
            if result.time_s(column).reached:
                left.axhline(
                    result.time_s(column).middle,
                    color=look_of(column).colour,
                    linestyle=style,
                    label=f"{result.case.label}, {column}",
                )
    left.set_ylabel("time to target (s)")
    right.set_ylabel("implicit momentum")
    left.set_yscale("log")
    from_zero(right)
    for axes in (left, right):
        axes.set_xticks(RATES)
        axes.set_xlabel("commit rate (commits a check period)")
    legend_below(figure, line_handles([left]))
    return figure


def _fixed(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.case.label == FIXED]


def _searched(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.case.label in SEARCHES]


EXPERIMENT = Experiment(
    name="commit_rate",
    title="Time to the target loss against the commit rate",
    about=__doc__,
    cases=cases,
    draw=draw,
    axis="commit rate",
    compares_times=False,
    own_tables=tables,
)
FREE = replace(
    EXPERIMENT,
    name="commit_rate_not_blocking",
    title="The same where commits do not block",
    cases=partial(cases, blocking=False),
)
