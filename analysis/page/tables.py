"""The tables of the report's page, as HTML in which all text is escaped."""

from html import escape
from typing import Any, Iterable, Sequence

from adsp_mpi.analysis import compare, summary
from adsp_mpi.core.report import Report

WORDS = ("run", "engine", "scheme", "task", "speeds", "host", "setting")
"""The columns with text; all others hold numbers."""

OWN_PLACE = {"run.out", "run.screen"}
"""Settings that do not affect what is computed."""

COLOURS, DASHES = 7, 3


class Html(str):
    """Text that is already HTML."""


def safe(text: Any) -> str:
    return text if isinstance(text, Html) else escape(str(text), quote=True)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], frame_class: str = "") -> Html:
    """The HTML of a table that scrolls by itself on a narrow page."""
    classes = ["" if name in WORDS else ' class="number"' for name in header]
    lines = [f"<th{c}>{safe(name)}</th>" for c, name in zip(classes, header, strict=True)]
    lines.append("</tr></thead><tbody>")
    for row in rows:
        cells = zip(classes, row, strict=True)
        lines.append(f"<tr>{''.join(f'<td{c}>{safe(cell)}</td>' for c, cell in cells)}</tr>")
    head = f'<div class="wide {frame_class}"><table><thead><tr>'
    return Html(head + "\n".join(lines) + "</tbody></table></div>")


def swatch(number: int) -> Html:
    """A sample of a run's line in the plots of several runs."""
    place = number - 1
    look = f"line colour-{place % COLOURS} dash-{place // COLOURS % DASHES}"
    picture = f'<path class="{look}" d="M0 4H24"/>'
    return Html(f'<svg class="swatch" viewBox="0 0 24 8" aria-hidden="true">{picture}</svg>')


def comparison_table(labels: Sequence[str], runs: Sequence[Report]) -> Html:
    """One line per run with the columns of `compare`."""
    columns = {name: text for name, text in compare.COLUMNS.items() if name != "runs"}
    rows = []
    for number, (label, report) in enumerate(zip(labels, runs, strict=True), start=1):
        link = Html(f'{swatch(number)} <a href="#run-{number}">{safe(label)}</a>')
        rows.append([link, *(text([report]) for text in columns.values()), report.seed])
    return table(["run", *columns, "seed"], rows)


def worker_table(report: Report) -> Html:
    """One line per worker with the columns of `summary`, and a last line for all workers."""
    cells = summary.COLUMNS.values()
    rows = [[w.worker, w.host, *(text(w) for text in cells)] for w in report.workers]
    rows.append(["all", "", *(text(report) for text in cells)])
    return table(["worker", "host", *summary.COLUMNS], rows, "tall")


def facts(pairs: Iterable[tuple[str, Any]]) -> Html:
    return Html(
        "<dl>"
        + "\n".join(f"<dt>{safe(name)}</dt><dd>{safe(text)}</dd>" for name, text in pairs)
        + "</dl>"
    )


def differences_table(labels: Sequence[str], configs: Sequence[dict[str, Any]]) -> Html:
    """The table of settings in which the runs differ; "" if there are none."""
    flat = [
        {
            f"{section}.{key}": value
            for section, keys in config.items()
            for key, value in keys.items()
        }
        for config in configs
    ]
    names = sorted({name for settings in flat for name in settings} - OWN_PLACE)
    rows = []
    for name in names:
        values = [settings.get(name, "-") for settings in flat]
        if any(value != values[0] for value in values):
            rows.append([name, *values])
    return table(["setting", *labels], rows) if rows else Html("")
