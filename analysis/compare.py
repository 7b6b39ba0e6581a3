"""`compare RUN...`: one line per synchronization model, soonest at the target first."""

import argparse
import math
from statistics import median
from typing import Callable, Sequence

from adsp_mpi.analysis.metrics import RunMetrics, json_text, run_metrics

HELP = "one line per synchronization model, soonest first"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")
    parser.add_argument("--target-loss", type=float, help="default: each run's own")
    parser.add_argument("--json", action="store_true", help="every run's figures as JSON")


def run(options: argparse.Namespace) -> None:
    print(compare(options.runs, options.target_loss, options.json))


COLUMNS: dict[str, Callable[[Sequence[RunMetrics]], str]] = {
    "engine": lambda runs: runs[0].engine,
    "model": lambda runs: runs[0].model,
    "task": lambda runs: runs[0].task,
    "speeds": lambda runs: runs[0].hetero,
    "runs": lambda runs: str(len(runs)),
    "time to target s": lambda runs: spread(times(runs), 1) if runs[0].target_loss else "no target",
    "of it trials s": lambda runs: spread([r.trial_s for r in runs], 1),
    "last loss": lambda runs: spread([r.last_loss for r in runs], 3),
    "steps": lambda runs: spread([r.steps for r in runs], 0),
    "commits": lambda runs: spread([r.commits for r in runs], 0),
    "MB sent": lambda runs: spread([r.sent_mb for r in runs], 0),
    "staleness": lambda runs: spread([r.staleness for r in runs], 1),
    "waiting %": lambda runs: spread([100 * r.waiting_share for r in runs], 1),
    "H": lambda runs: spread([r.measured_h or math.nan for r in runs], 2),
}


def compare(paths: Sequence[str], target_loss: float | None, as_json: bool) -> str:
    """The comparison as a Markdown table, or every run's figures as JSON.

    Runs that differ only in seed and folder share a line: the median, the range in brackets.
    """
    runs = [run_metrics(path, target_loss) for path in paths]
    if as_json:
        return json_text([run.as_dict() for run in runs])
    groups: dict[str, list[RunMetrics]] = {}
    for run in runs:
        groups.setdefault(f"{run.engine} {run.settings}", []).append(run)
    ordered = sorted(groups.values(), key=lambda g: (median(times(g)), median(r.steps for r in g)))
    rows = [[text(group) for text in COLUMNS.values()] for group in ordered]
    return markdown_table(list(COLUMNS), rows)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in plain text too."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    rule = ["-" * width for width in widths]
    lines = [header, rule, *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def times(runs: Sequence[RunMetrics]) -> list[float]:
    """Times to target; infinity where it was not reached."""
    return [math.inf if r.time_to_target_s is None else r.time_to_target_s for r in runs]


def spread(values: Sequence[float], digits: int) -> str:
    middle, low, high = (_number(v, digits) for v in (median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def _number(value: float, digits: int) -> str:
    return "not reached" if math.isinf(value) else f"{value:.{digits}f}"
