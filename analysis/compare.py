"""`compare RUN...`: one line per setting of several runs, soonest at the target first."""

import argparse
from statistics import median
from typing import Callable, Mapping, Sequence

from adsp_mpi.analysis.metrics import json_text, run_metrics
from adsp_mpi.analysis.spread import Spread
from adsp_mpi.core.report import Report
from adsp_mpi.tables import Table, labelled, terminal_width

HELP = "compare runs: one line per setting, soonest at the target first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")
    parser.add_argument("--target-loss", type=float, help="default: each run's own")
    parser.add_argument(
        "--alone",
        metavar="RUN",
        help="a run of the fastest machine alone: adds the speed-up over it, in time to target",
    )
    parser.add_argument("--json", action="store_true", help="every run's metrics as JSON")


def run(options: argparse.Namespace) -> None:
    alone = run_metrics(options.alone, options.target_loss) if options.alone else None
    print(compare(options.runs, options.target_loss, options.json, terminal_width(), alone))


Column = Callable[[Sequence[Report]], str]

COLUMNS: dict[str, Column] = {
    "scheme": lambda runs: runs[0].model,
    "engine": lambda runs: runs[0].engine,
    "task": lambda runs: runs[0].task,
    "workers": lambda runs: Spread.of(r.num_workers for r in runs).text(0),
    "speeds": lambda runs: runs[0].hetero,
    "runs": lambda runs: str(len(runs)),
    "time to target s": lambda runs: times(runs).text(1) if runs[0].target_loss else "no target",
    "of it trials s": lambda runs: Spread.of(r.trial_s for r in runs).text(1),
    "last loss": lambda runs: Spread.of(r.last_loss for r in runs).text(3, infinite="-"),
    "steps": lambda runs: Spread.of(r.steps for r in runs).text(0),
    "commits": lambda runs: Spread.of(r.commits for r in runs).text(0),
    "MB sent": lambda runs: Spread.of(r.sent_mb for r in runs).text(0),
    "lag": lambda runs: Spread.of(r.staleness for r in runs).text(1),
    "waiting %": lambda runs: Spread.of(100 * r.waiting_share for r in runs).text(1),
    "H": lambda runs: Spread.of(r.measured_h for r in runs).text(2, infinite="-"),
}

WORDS = ("scheme", "engine", "task", "workers", "speeds", "runs")
"""The columns that say what was run; on a terminal, those that are the same for all come first."""


def compare(
    paths: Sequence[str],
    target_loss: float | None,
    as_json: bool,
    width: int | None = None,
    alone: Report | None = None,
) -> str:
    """The comparison as a Markdown table, or every run's metrics as JSON.

    With a `width`, in characters, it is plain text for a terminal. Runs that differ only in seed
    and folder share a line of medians, with ranges in brackets. With `alone`, a run of the fastest
    machine by itself, the speed-ups over it stand beside the largest that the rates allow.
    """
    runs = [run_metrics(path, target_loss) for path in paths]
    if as_json:
        return json_text([run.as_dict() for run in runs])
    groups: dict[str, list[Report]] = {}
    for run in runs:
        groups.setdefault(f"{run.engine} {run.settings}", []).append(run)
    ordered = sorted(groups.values(), key=lambda g: (times(g).middle, median(r.steps for r in g)))
    columns = {**COLUMNS, **(_speedups(alone) if alone else {})}
    if width is None:
        return Table.of(columns, ordered).markdown()
    return _for_terminal(columns, ordered, width)


def _speedups(alone: Report) -> dict[str, Column]:
    """The columns that compare with the fastest machine alone."""

    def measured(runs: Sequence[Report]) -> str:
        alone_s, all_s = alone.time_to_target_s, times(runs)
        if not alone.target_loss:
            return "no target"
        if alone_s is None:
            return "not reached alone"
        return f"{alone_s / all_s.middle:.2f}" if all_s.reached else "not reached"

    return {
        "speed-up": measured,
        "of at most": lambda runs: Spread.of(r.speedup_limit for r in runs).text(2, infinite="-"),
    }


def _for_terminal(
    columns: Mapping[str, Column], groups: Sequence[Sequence[Report]], width: int
) -> str:
    """What is the same for all settings, line by line, and a table of the rest."""
    shared, differing = [], dict(columns)
    for name in WORDS[1:]:
        first, *others = {COLUMNS[name](runs) for runs in groups}
        if not others:
            shared.append((name, first))
            del differing[name]
    table = Table.of(differing, groups, WORDS)
    return "\n".join([*labelled(shared), "", *table.lines(width)])


def times(runs: Sequence[Report]) -> Spread:
    """The runs' times to target, seconds."""
    return Spread.of(run.time_to_target_s for run in runs)
