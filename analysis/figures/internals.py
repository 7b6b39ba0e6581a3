"""What a synchronization scheme recorded about itself, such as its search: one panel each."""

import re
from typing import Iterable, Iterator

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, Panels, require
from adsp_mpi.analysis.series.panel import Axis, Line, Panel, time_axis
from adsp_mpi.analysis.series.runs import phase_spans

EVERY_MODELS = ("ps/evals", "ps/targets", "ps/observed", "ps/observed_workers")
PAINTS = ("blue", "vermillion", "green", "orange", "purple", "sky", "grey")


def of_run(trace: RunTrace) -> Panels:
    panels = list(_panels(trace))
    model = trace.said("model", "this model")
    require(bool(panels), trace, f"{model} recorded nothing of its own")
    return panels


def _panels(trace: RunTrace) -> Iterator[Panel]:
    for path in trace.tables:
        if not path.startswith("ps/") or path in EVERY_MODELS or "time_s" not in trace.units(path):
            continue
        rows = trace.rows(path)
        told = [n for n in rows.dtype.names or () if n != "time_s" and rows.dtype[n].kind in "biuf"]
        table = path.removeprefix("ps/")
        for quantity, columns in _together(told).items():
            names = columns if len(columns) > 1 else [f"{table}: {quantity}"]
            lines = [
                Line(name, rows["time_s"], _floats(rows[column]), PAINTS[k % len(PAINTS)])
                for k, (name, column) in enumerate(zip(names, columns, strict=True))
            ]
            yield Panel(
                (time_axis(trace.end_s),),
                (Axis(f"{table}: {quantity}"),),
                tuple(lines),
                title=f"{table}: {quantity}",
                spans=phase_spans(trace),
            )


def _floats(values: np.ndarray) -> np.ndarray:
    return values.astype(float) if values.dtype.kind == "b" else values


def _together(names: Iterable[str]) -> dict[str, list[str]]:
    """The columns of each panel: those that differ only in a number at the end share one."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(re.sub(r"_\d+$", "", name), []).append(name)
    return found


FIGURE = Figure("Scheme internals", of_run=of_run)
