"""The search for a rate: the rates in force and on trial over time, and each trial's reward."""

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, NothingToDraw, Panels
from adsp_mpi.analysis.series.panel import AtTop, Axis, Line, Mark, Panel, time_axis
from adsp_mpi.analysis.series.runs import phase_spans

TABLES = ("ps/search", "ps/trials")
SETTINGS = {
    "commit_rate": Axis("commits a check period", whole=True),
    "local_steps": Axis("local steps a commit", whole=True),
}
WORTHS = {
    "reward": Axis("reward", "1/s"),
    "fall": Axis("fall of ln(loss) in a period"),
    "loss": Axis("loss after the trial"),
}
LABELLED = 16
"""Up to this many tries are labelled with their settings."""


def of_run(trace: RunTrace) -> Panels:
    tries = _tries(trace)
    setting, worth = _first(SETTINGS, tries), _first(WORTHS, tries)
    times, spans = (time_axis(trace.end_s),), phase_spans(trace)
    tried = Line("tried until here", tries["time_s"], tries[setting], "orange", "dots")
    marks = (*_in_force(trace, setting), tried)
    return [
        Panel(times, (SETTINGS[setting],), marks, "tried", spans=spans),
        Panel(times, (WORTHS[worth],), _worth(tries, setting, worth), "worth", spans=spans),
    ]


def _tries(trace: RunTrace) -> np.ndarray:
    """The rows that the search, or the trials, recorded."""
    for path in TABLES:
        rows = trace.rows(path)
        names = rows.dtype.names or ()
        if len(rows) and set(names) & set(SETTINGS) and set(names) & set(WORTHS):
            return rows
    model = trace.said("model", "this model")
    text = f"{model} recorded no search and no trials ({', '.join(TABLES)})"
    raise NothingToDraw(trace, text)


def _first(known: dict[str, Axis], rows: np.ndarray) -> str:
    return next(name for name in known if name in (rows.dtype.names or ()))


def _in_force(trace: RunTrace, setting: str) -> list[Line]:
    targets = trace.targets[trace.targets[setting] > 0]
    if not len(targets):
        return []
    x = np.append(targets["time_s"], trace.end_s)
    y = np.append(targets[setting], targets[setting][-1])
    return [Line("in force", x, y, kind="steps")]


def _worth(tries: np.ndarray, setting: str, worth: str) -> tuple[Mark, ...]:
    """The worth of each try, labelled with its setting; infinite ones are at the top edge."""
    finite = np.isfinite(tries[worth])
    known, endless = tries[finite], tries[~finite]
    texts = tuple(f"{row[setting]:g}" for row in known) if len(tries) <= LABELLED else ()
    dots = Line("tried until here", known["time_s"], known[worth], "orange", "dots", texts=texts)
    return (dots, AtTop("without bound", endless["time_s"])) if len(endless) else (dots,)


FIGURE = Figure("Search", of_run=of_run)
