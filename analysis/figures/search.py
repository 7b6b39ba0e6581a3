"""The search for a rate: what was in force and tried over time, and what each try was worth."""

from typing import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.runs import Plot, View, nothing_to_draw, run_panels, thinned
from adsp_mpi.analysis.draw.style import (
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    legend_below,
    line_handles,
    whole_numbers,
)
from adsp_mpi.analysis.run_trace import RunTrace

TABLES = ("ps/search", "ps/trials")
SETTINGS = {
    "commit_rate": "commits a check period",
    "local_steps": "local steps a commit",
}
WORTHS = {
    "reward": "reward (1/s)",
    "fall": "fall of ln(loss) in a period",
    "loss": "loss after the trial",
}
TOP = 0.97
"""Where on the height of a panel what is infinite is drawn."""

LABELLED = 16
"""So many tries still have room for their numbers."""


def draw(runs: Sequence[RunTrace], view: View) -> Figure:
    tables = [_tries(trace) for trace in runs]
    figure, axes = run_panels(runs, view, rows=2, share_y=False)
    for top, bottom, trace, tries in zip(*axes, runs, tables, strict=True):
        setting = _first(SETTINGS, tries)
        _draw_setting(top, trace, tries, setting)
        _draw_worth(bottom, tries, setting, _first(WORTHS, tries))
        top.set_xlim(0, trace.end_s)
        top.margins(y=0.1)
    figure.align_ylabels(list(axes.flat))
    legend_below(figure, line_handles(list(axes.flat)))
    return figure


def _tries(trace: RunTrace) -> np.ndarray:
    """The rows of the search or of the trials."""
    for path in TABLES:
        rows = trace.rows(path)
        names = rows.dtype.names or ()
        if len(rows) and set(names) & set(SETTINGS) and set(names) & set(WORTHS):
            return rows
    model = trace.said("model", "this model")
    text = f"{model} recorded no search and no trials ({', '.join(TABLES)})"
    raise nothing_to_draw(trace, text)


def _first(known: dict[str, str], rows: np.ndarray) -> str:
    return next(name for name in known if name in (rows.dtype.names or ()))


def _draw_setting(panel: Axes, trace: RunTrace, tries: np.ndarray, setting: str) -> None:
    targets = trace.targets
    targets = thinned(targets[targets[setting] > 0])
    if len(targets):
        panel.step(
            [*targets["time_s"], trace.end_s],
            [*targets[setting], targets[setting][-1]],
            where="post",
            color=BLUE,
            label="in force",
        )
    searching = search_spans(trace)
    for number, (from_s, to_s) in enumerate(searching):
        label = None if number else "search or trials"
        panel.axvspan(from_s, to_s, color=GREY, alpha=0.2, linewidth=0, label=label)
    panel.plot(tries["time_s"], tries[setting], "o", color=ORANGE, label="tried until here")
    whole_numbers(panel.yaxis, 5)
    panel.set_ylabel(SETTINGS[setting])


def search_spans(trace: RunTrace) -> list[tuple[float, float]]:
    """Seconds from and to, in which the scheduler searched."""
    targets, ends = trace.targets, trace.targets_until_s
    spans: list[tuple[float, float]] = []
    for begun_s, end_s, phase in zip(targets["time_s"], ends, targets["phase"], strict=True):
        if phase not in (b"search", b"trial"):
            continue
        if spans and spans[-1][1] == begun_s:
            spans[-1] = (spans[-1][0], float(end_s))
        else:
            spans.append((float(begun_s), float(end_s)))
    return spans


def _draw_worth(panel: Axes, tries: np.ndarray, setting: str, worth: str) -> None:
    """The worth of each try with the setting beside it; at the top edge what is infinite."""
    finite = np.isfinite(tries[worth])
    panel.plot(tries["time_s"][finite], tries[worth][finite], "o", color=ORANGE)
    endless = tries[~finite]
    if len(endless):
        panel.plot(
            endless["time_s"],
            np.full(len(endless), TOP),
            "^",
            color=VERMILLION,
            transform=panel.get_xaxis_transform(),
            label="without bound",
        )
    if len(tries) <= LABELLED:
        for row in tries[finite]:
            panel.annotate(
                f"{row[setting]:g}",
                (row["time_s"], row[worth]),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                fontsize=6,
            )
        panel.margins(y=0.2)
    panel.set_ylabel(WORTHS[worth])


PLOT = Plot(draw)
