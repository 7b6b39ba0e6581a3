"""`report RUN... -o FILE`: runs as one HTML page that needs no network and no other file."""

import argparse
import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Sequence

from adsp_mpi.analysis import summary
from adsp_mpi.analysis.metrics import RunMetrics, run_metrics
from adsp_mpi.analysis.page.plots import Spec, evaluations, evaluations_plot, run_plots
from adsp_mpi.analysis.page.tables import (
    comparison_table,
    differences_table,
    facts,
    safe,
    worker_table,
)
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.errors import UsageError

HELP = "one self-contained HTML page: tables, plots to zoom into, and settings"

STYLES = ("page.css", "plots.css")
SCRIPTS = ("basics.js", "plots.js", "pointer.js", "bars.js", "start.js")

OPEN_RUNS = 3
"""With more runs than this their sections are closed at first."""

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
    paths, target_loss = options.runs, options.target_loss
    runs = [read_run(path, k, len(paths), target_loss) for k, path in enumerate(paths, start=1)]
    options.out.write_bytes(page(runs).encode("utf-8", "replace"))
    print(options.out)


@dataclass(frozen=True)
class ReportedRun:
    """What the page holds of one run."""

    number: int
    name: str
    figures: RunMetrics
    config: dict[str, Any]
    meta: dict[str, Any]
    evaluations: Spec
    plots: list[Spec]

    @property
    def label(self) -> str:
        return f"{self.number} {self.name}"


def read_run(path: str, number: int, runs: int, target_loss: float | None = None) -> ReportedRun:
    """The run at `path`, the `number`-th of so many `runs`."""
    figures = run_metrics(path, target_loss)
    with RunTrace(path) as trace:
        return ReportedRun(
            number=number,
            name=trace.name,
            figures=figures,
            config=trace.config,
            meta=trace.meta,
            evaluations=evaluations(trace, number, runs),
            plots=run_plots(trace, figures),
        )


def page(runs: Sequence[ReportedRun]) -> str:
    """The whole page."""
    labels = [run.label for run in runs]
    named = [run.evaluations | {"name": run.label} for run in runs]
    plots = {"evaluations": evaluations_plot(named, [run.figures.target_loss for run in runs])}
    body = [
        f"<h1>{safe(title(runs))}</h1>",
        comparison_table(labels, [run.figures for run in runs]),
        f'<p class="note guide">{safe(GUIDE)}</p>',
        '<figure data-plot="evaluations"></figure>',
    ]
    differences = differences_table(labels, [run.config for run in runs])
    if differences:
        body += ["<h2>Settings that differ</h2>", differences]
    for one in runs:
        own = {f"run-{one.number}-{k}": plot for k, plot in enumerate(one.plots)}
        plots |= {key: plot | {"view": f"run-{one.number}"} for key, plot in own.items()}
        body.append(section(one, list(own), is_open=len(runs) <= OPEN_RUNS))
    script = _read(SCRIPTS)
    return Template(_read(["page.html"])).substitute(
        title=safe(title(runs)),
        policy=policy(script),
        style=_read(STYLES),
        body="\n".join(body),
        data=json_for_html(plots),
        script=script,
    )


def title(runs: Sequence[ReportedRun]) -> str:
    if len(runs) == 1:
        return f"{runs[0].name}: {runs[0].figures.model or 'a run'}"
    return f"{len(runs)} runs"


def section(run: ReportedRun, plots: Sequence[str], is_open: bool) -> str:
    """A run's figures, plots and settings."""
    attributes = {name: text for name, text in run.meta.items() if name != "config"}
    settings = safe(run.meta.get("config", "not recorded"))
    return "\n".join(
        [
            f'<details class="run" id="run-{run.number}"{" open" if is_open else ""}>',
            f"<summary>{safe(run.label)}</summary>",
            f"<p>{safe(summary.headline(run.figures))}</p>",
            worker_table(run.figures),
            facts(summary.facts(run.figures)),
            '<div class="plots">',
            *(f'<figure data-plot="{name}"></figure>' for name in plots),
            "</div>",
            f"<details><summary>Configuration</summary><pre>{settings}</pre></details>",
            "<details><summary>Where it ran</summary>",
            facts([("path", run.figures.path), *attributes.items()]),
            "</details></details>",
        ]
    )


def policy(script: str) -> str:
    """A Content-Security-Policy: nothing is fetched, and no script runs but the page's own."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def json_for_html(value: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(names: Sequence[str]) -> str:
    folder = files("adsp_mpi.analysis") / "page"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
