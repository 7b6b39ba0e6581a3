"""`report RUN... -o FILE`: one HTML page about runs that needs no network and no other file."""

import argparse
import base64
import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Iterable, Mapping, Sequence

from adsp_mpi.analysis import summary
from adsp_mpi.analysis.figures import FIGURES, load_figure
from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.analysis.page.data import Data, is_over_time, panel_data
from adsp_mpi.analysis.page.tables import (
    comparison_table,
    differences_table,
    facts,
    safe,
    worker_table,
)
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import NothingToDraw, show_those_that_apply
from adsp_mpi.core.report import Report
from adsp_mpi.errors import AdspError, UsageError

HELP = "write one self-contained HTML page: tables, figures to zoom into, settings"

STYLES = ("page.css", "plots.css")
SCRIPTS = ("basics.js", "plots.js", "marks.js", "pointer.js", "bars.js", "start.js")

OPEN_RUNS = 3
"""With more runs than this, their sections are closed at first."""

GUIDE = (
    "Drag over a plot to zoom in, double-click for the whole again; the plots of a run move "
    "together. A click on a name hides it, with Shift it hides all others. With the keyboard: Tab "
    "to a plot; arrow keys read values, + and - zoom, Shift and arrow keys move along, 0 shows "
    "the whole. Shaded: what the scheduler did but train, such as searches and trials."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")
    out = "the page; default: report.html, here"
    parser.add_argument("-o", "--out", type=Path, default="report.html", metavar="FILE", help=out)
    parser.add_argument("--target-loss", type=float, help="default: each run's own")


def run(options: argparse.Namespace) -> None:
    if not options.out.absolute().parent.is_dir():
        raise UsageError(f"-o {options.out}: there is no such folder")
    with ExitStack() as stack:
        target_loss = options.target_loss
        traces = [stack.enter_context(RunTrace(path, target_loss)) for path in options.runs]
        runs = [read_run(trace, number) for number, trace in enumerate(traces, start=1)]
        text = page(runs)
    options.out.write_bytes(text.encode("utf-8", "replace"))
    print(options.out)


@dataclass(frozen=True)
class ReportedRun:
    """One run on the page."""

    number: int
    trace: RunTrace
    metrics: Report
    figures: Mapping[str, list[Data]]
    """The panels of each figure that applies to the run, by the figure's name."""

    left_out: tuple[str, ...]
    """Why each other figure does not apply to the run."""

    @property
    def label(self) -> str:
        return f"{self.number} {self.trace.name}"


def read_run(trace: RunTrace, number: int) -> ReportedRun:
    """Read the run that is the `number`-th on the page."""
    figures, left_out = {}, []
    for name in FIGURES:
        figure = load_figure(name)
        try:
            panels = figure.of_run(trace) if figure.of_run else []
            figures[name] = [panel_data(figure.title, panel, {}) for panel in panels]
        except NothingToDraw as error:
            left_out.append(f"{name} ({error.missing})")
    metrics = run_metrics(trace.path, trace.target_loss)
    return ReportedRun(number, trace, metrics, figures, tuple(left_out))


def comparisons(runs: Sequence[ReportedRun]) -> tuple[dict[str, list[Data]], list[str]]:
    """The figures that show several runs together, and notes on which runs are missing from them.

    For a single run, the figures that are not in its own section.
    """
    by_label = {run.label: run.trace for run in runs}
    numbers = {run.label: run.number for run in runs}
    shown, notes = {}, []
    for name in FIGURES:
        figure = load_figure(name)
        if not figure.of_runs or (figure.of_run and len(runs) == 1):
            continue
        try:
            panels, _, left_out = show_those_that_apply(by_label, figure.of_runs)
            shown[name] = [panel_data(figure.title, panel, numbers) for panel in panels]
            notes += [f"{name} of {one.trace.name} ({one.missing})" for one in left_out]
        except AdspError:
            notes.append(f"{name} (no run has it)")
    return shown, notes


def page(runs: Sequence[ReportedRun]) -> str:
    """The HTML of the whole page."""
    labels = [run.label for run in runs]
    together, notes = comparisons(runs)
    plots = placed(together, "all")
    body = [
        f"<h1>{safe(title(runs))}</h1>",
        comparison_table(labels, [run.metrics for run in runs]),
        f'<p class="note guide">{safe(GUIDE)}</p>',
        *places(plots),
        left_out_note(notes),
    ]
    differences = differences_table(labels, [run.trace.config for run in runs])
    if differences:
        body += ["<h2>Settings that differ</h2>", differences]
    for one in runs:
        own = placed(one.figures, f"run-{one.number}")
        body.append(section(one, own, is_open=len(runs) <= OPEN_RUNS))
        plots |= own
    script = _read(SCRIPTS)
    return Template(_read(["page.html"])).substitute(
        title=safe(title(runs)),
        policy=policy(script),
        style=_read(STYLES),
        body="\n".join(body),
        data=json_for_html(plots),
        script=script,
    )


def placed(figures: Mapping[str, list[Data]], where: str) -> dict[str, Data]:
    """The panels by their ids on the page; panels over a run's time zoom together."""
    panels = {
        f"{where}-{name}-{k}": panel
        for name, of_figure in figures.items()
        for k, panel in enumerate(of_figure)
    }
    return {
        place: panel | {"view": where if is_over_time(panel) else place}
        for place, panel in panels.items()
    }


def places(plots: Iterable[str]) -> list[str]:
    return [f'<figure data-plot="{place}"></figure>' for place in plots]


def left_out_note(notes: Sequence[str]) -> str:
    return f'<p class="note">Not drawn: {safe("; ".join(notes))}.</p>' if notes else ""


def title(runs: Sequence[ReportedRun]) -> str:
    if len(runs) == 1:
        return f"{runs[0].trace.name}: {runs[0].metrics.model or 'a run'}"
    return f"{len(runs)} runs"


def section(run: ReportedRun, plots: Iterable[str], is_open: bool) -> str:
    """The HTML of a run's section: metrics, plots and settings."""
    meta = run.trace.meta
    attributes = {name: text for name, text in meta.items() if name != "config"}
    settings = safe(meta.get("config", "not recorded"))
    return "\n".join(
        [
            f'<details class="run" id="run-{run.number}"{" open" if is_open else ""}>',
            f"<summary>{safe(run.label)}</summary>",
            f"<p>{safe(summary.headline(run.metrics))}</p>",
            worker_table(run.metrics),
            facts(summary.facts(run.metrics)),
            '<div class="plots">',
            *places(plots),
            "</div>",
            left_out_note(run.left_out),
            f"<details><summary>Configuration</summary><pre>{settings}</pre></details>",
            "<details><summary>Where it ran</summary>",
            facts([("path", run.metrics.path), *attributes.items()]),
            "</details></details>",
        ]
    )


def policy(script: str) -> str:
    """The Content-Security-Policy: the page fetches nothing and runs only its own script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def json_for_html(value: Any) -> str:
    """`value` as JSON that cannot end the script element around it."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(names: Sequence[str]) -> str:
    folder = files("adsp_mpi.analysis") / "page"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
