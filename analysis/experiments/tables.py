"""The experiments' tables in Markdown and CSV."""

from dataclasses import replace
from typing import Any, Callable, Mapping, Sequence

from adsp_mpi.analysis.experiments.outcome import Outcome
from adsp_mpi.analysis.experiments.result import (
    OWN_BEST,
    At,
    Result,
    columns_of,
    find,
    labels_of,
)
from adsp_mpi.analysis.experiments.setting import ADSP, PUBLISHED
from adsp_mpi.tables import Table

KEPT = (
    "seed",
    "failed",
    "reason",
    "num_workers",
    "time_to_target_s",
    "seconds",
    "trial_s",
    "last_loss",
    "steps",
    "commits",
    "sent_mb_s",
    "computing_share",
    "committing_share",
    "waiting_share",
    "measured_h",
    "actions",
    "wall_s",
    "peak_memory_mb",
)
"""The columns of the CSV, one line per run."""

Reductions = Mapping[tuple[str, At], float]
"""By how many percent ADSP's time is below the rival's, by (rival, place)."""

Numbers = Mapping[str, tuple[Callable[[Outcome], float | None], int]]
"""Each column's header, the number of a run that it shows, and its digits."""


def comparison(results: Sequence[Result], axis: str, paper: Reductions) -> list[Table]:
    """The tables of times to target and of the time that ADSP saves."""
    return [times_table(results, axis), reductions_table(results, axis, paper)]


def times_table(results: Sequence[Result], axis: str) -> Table:
    columns = columns_of(results)
    chosen = any(result.choice for result in results)
    header = ["model", *(f"{column}: s" for column in columns), *(["chosen"] if chosen else [])]
    rows = [
        [
            result.case.label,
            *(time_cell(result, column) for column in columns),
            *([result.choice] if chosen else []),
        ]
        for result in results
    ]
    return with_axis(Table(header, rows, title="Seconds to the target loss"), results, axis)


def reductions_table(results: Sequence[Result], axis: str, paper: Reductions) -> Table:
    """The table of how much ADSP's median time is below each rival's, place by place."""
    heroes = [label for label in (ADSP, PUBLISHED) if label in labels_of(results)]
    columns = columns_of(results)
    rivals = [result for result in results if result.case.label not in heroes[:1]]
    header = ["than", *(f"{hero}, {column}" for hero in heroes for column in columns)]
    rows = []
    for rival in rivals:
        label, at = rival.case.label, rival.case.at
        own = [find(results, hero, at) for hero in heroes]
        cells = [less_cell(hero, rival, column) for hero in own for column in columns]
        told = [f"{paper[label, at]:g}" if (label, at) in paper else ""] if paper else []
        rows.append([label, *cells, *told])
    header += ["adsp in the paper"] if paper else []
    return with_axis(Table(header, rows, title="Percent less time that ADSP needs"), rivals, axis)


def number_table(
    title: str,
    results: Sequence[Result],
    axis: str,
    numbers: Numbers,
) -> Table:
    """A table with one line per case and column, of medians with ranges."""
    lines = [(result, column) for result in results for column in result.columns]
    several = len(columns_of(results)) > 1
    rows = [
        [
            result.case.label,
            *([column] if several else []),
            *(
                result.spread(column, number).text(digits, infinite="-")
                for number, digits in numbers.values()
            ),
        ]
        for result, column in lines
    ]
    header = ["model", *(["with"] if several else []), *numbers]
    return with_axis(Table(header, rows, title=title), [result for result, _ in lines], axis)


def with_axis(table: Table, results: Sequence[Result], axis: str) -> Table:
    """The table with the place on the axis as first column, if there is an axis."""
    if not axis:
        return table
    rows = [
        [place_text(result.case.at), *row] for result, row in zip(results, table.rows, strict=True)
    ]
    return replace(table, header=[axis, *table.header], rows=rows)


def time_cell(result: Result, column: str) -> str:
    outcomes = result.columns.get(column)
    if outcomes is None:
        return ""
    if outcomes and all(outcome.failed for outcome in outcomes):
        return "failed"
    return result.time_s(column).text(0)


def less_cell(own: Result | None, rival: Result, column: str) -> str:
    """By how many percent the median time of `own` is below that of `rival`."""
    if own is None or own is rival or not (column in own.columns and column in rival.columns):
        return ""
    if not own.time_s(column).reached:
        return "not reached"
    if not rival.time_s(column).reached:
        return f"{rival.case.label} did not reach it"
    return f"{100 * (1 - own.time_s(column).middle / rival.time_s(column).middle):.0f}"


def place_text(at: At) -> str:
    return at if isinstance(at, str) else f"{at:g}"


def notes(results: Sequence[Result]) -> list[str]:
    """Notes below the tables: runs that failed, and races without a winner."""
    lines = []
    for result in results:
        who = f"{result.case.label} {place_text(result.case.at)}".strip()
        for column, outcomes in result.columns.items():
            lines += [
                f"{who}, {column}, seed {outcome.seed}: {outcome.failed}."
                for outcome in outcomes
                if outcome.failed
            ]
            if not outcomes:
                lines.append(f"{who}: nothing on the grid reached the target.")
    return lines


def csv_text(results: Sequence[Result]) -> str:
    """The text of the CSV: one line per run with every number of its outcome."""
    header = ["model", "at", "column", "chosen", *KEPT]
    rows = [
        [
            result.case.label,
            place_text(result.case.at),
            column,
            result.choice if column == OWN_BEST else "",
            *(getattr(outcome, name) for name in KEPT),
        ]
        for result in results
        for column, outcomes in result.columns.items()
        for outcome in outcomes
    ]
    return Table(header, [list(map(_plain_text, row)) for row in rows]).csv()


def _plain_text(value: Any) -> str:
    """A number as the shortest text that reads back as the same number; "" for None."""
    return "" if value is None else str(value)
