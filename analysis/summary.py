"""`summary RUN`: the report of a run, per worker and for all, as text or JSON."""

import argparse
from typing import Callable, Iterable

from adsp_mpi.analysis.metrics import json_text, run_metrics
from adsp_mpi.core.report import Report, WorkerReport
from adsp_mpi.core.speedup import speedup_text
from adsp_mpi.tables import Table, labelled, terminal_width

HELP = "report on one run: steps, time, lag, time to target, traffic, worker by worker"

SHOWN_WORKERS = 40
"""With more workers than this, the text shows only the slowest and the fastest."""

ENGINES = {"mpi": "MPI", "sim": "virtual time"}
COLUMNS: dict[str, Callable[[Report | WorkerReport], str]] = {
    "steps": lambda f: str(f.steps),
    "steps/s": lambda f: f"{f.speed:.3g}",
    "computing": lambda f: f"{f.computing_share:.1%}",
    "sleeping": lambda f: f"{f.sleeping_share:.1%}",
    "committing": lambda f: f"{f.committing_share:.1%}",
    "waiting": lambda f: f"{f.waiting_share:.1%}",
    "commits": lambda f: str(f.commits),
    "lag": lambda f: f"{f.staleness:.1f}" if f.commits else "",
    "max lag": lambda f: str(f.max_staleness) if f.commits else "",
    "MB sent": lambda f: f"{f.sent_mb:.4g}",
    "MB/s": lambda f: f"{f.sent_mb_s:.3g}",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="RUN", help="a run's folder or its trace.h5")
    parser.add_argument("--target-loss", type=float, help="default: the run's own")
    parser.add_argument("--json", action="store_true", help="all metrics, of every worker, as JSON")


def run(options: argparse.Namespace) -> None:
    report = run_metrics(options.path, options.target_loss)
    print(json_text(report.as_dict()) if options.json else summary(report, terminal_width()))


def summary(report: Report, width: int | None = None) -> str:
    """The report as text: one line per worker, one for all, and lines about the run."""
    lines = [headline(report), *worker_table(report, width), *labelled(facts(report))]
    return "\n".join(lines)


def headline(report: Report) -> str:
    """One line that says what was run."""
    workers = len(report.workers)
    words = [
        f"{report.model or 'unknown model'} on {report.task or 'unknown task'}",
        f"{workers} worker{'s' * (workers != 1)}",
        f"{report.parameters:,} parameters" if report.parameters else "",
        f"speeds {report.hetero}" if report.hetero else "",
        ENGINES.get(report.engine, report.engine),
        f"seed {report.seed}",
    ]
    return ", ".join(word for word in words if word)


def worker_table(report: Report, width: int | None = None) -> list[str]:
    """One aligned line per worker, and a last one for all: sums, and means over the workers."""
    if not report.workers:
        return ["no worker recorded anything"]
    shown, left_out = report.workers, 0
    if len(shown) > SHOWN_WORKERS:
        by_speed = sorted(shown, key=lambda worker: worker.speed)
        half = SHOWN_WORKERS // 2
        shown, left_out = (*by_speed[:half], *by_speed[-half:]), len(shown) - SHOWN_WORKERS
    rows = [[str(worker.worker), *_cells(worker)] for worker in shown]
    if left_out:
        rows.insert(SHOWN_WORKERS // 2, ["...", *("" for _ in COLUMNS)])
    table = Table(["worker", *COLUMNS], [*rows, ["all", *_cells(report)]])
    lines = table.lines(width)
    if left_out:
        lines.append(f"... {left_out:,} workers between these in speed; --json has all of them")
    return lines


def facts(report: Report) -> list[tuple[str, str]]:
    """The lines below the table, as (label, text)."""
    return [
        ("ended", f"after {report.seconds:.1f} s: {report.reason or 'no reason is recorded'}"),
        ("loss", _loss(report)),
        ("time to target", _time_to_target(report)),
        ("speed-up", speedup_text(report.speedup_limit, report.fastest)),
        ("search", _search(report)),
        ("heterogeneity H", _heterogeneity(report)),
        ("implicit momentum", _momentum(report)),
        ("evaluations", f"{report.evaluations}, {report.evaluating_share:.1%} of rank 0's time"),
        *(("note", note) for note in report.notes),
    ]


def _cells(report: Report | WorkerReport) -> Iterable[str]:
    return (text(report) for text in COLUMNS.values())


def _loss(report: Report) -> str:
    own = {name: value for name, value in report.metrics.items() if name != "loss"}
    metrics = ", ".join(f"{name} {value:.4f}" for name, value in own.items())
    loss = "none recorded" if report.last_loss is None else f"{report.last_loss:.4f} at last"
    return f"{loss}; {metrics}" if metrics else loss


def _time_to_target(report: Report) -> str:
    if not report.target_loss:
        return "the run had no target loss; --target-loss gives one"
    held, authors = (
        "not reached" if time_s is None else f"{time_s:.1f} s"
        for time_s in (report.time_to_target_s, report.time_to_target_authors_s)
    )
    return f"{held} for loss {report.target_loss:g} (by the authors' rule: {authors})"


def _search(report: Report) -> str:
    if not ((report.search_s or 0) + report.trial_s + (report.tried or 0)):
        return "none"
    tried = f"{report.tried} setting{'s' * (report.tried != 1)} tried"
    trials = f" and {report.trial_s:.1f} s of trials that do not count" if report.trial_s else ""
    return f"{report.search_s:.1f} s while training went on{trials}, {tried}"


def _heterogeneity(report: Report) -> str:
    measured = "not known" if report.measured_h is None else f"{report.measured_h:.3f}"
    injected = "" if report.injected_h is None else f", {report.injected_h:.3f} injected"
    return f"{measured} measured{injected}"


def _momentum(report: Report) -> str:
    theorem, lag = (
        "none" if value is None else f"{value:.3f}"
        for value in (report.momentum_by_theorem, report.momentum_by_staleness)
    )
    return f"{theorem} by ADSP's Theorem 1, {lag} by the lag of commits"
