"""The scheduler's targets over time, with one panel for each kind that it uses."""

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, Panels, require
from adsp_mpi.analysis.series.panel import Axis, Line, Panel, time_axis
from adsp_mpi.analysis.series.runs import phase_spans

TARGETS = {
    "commit_rate": Axis("commits per check period", whole=True),
    "local_steps": Axis("local steps (tau)", whole=True),
    "check_period_s": Axis("check period", "s"),
    "implicit_momentum": Axis("implicit momentum"),
}
IDLE = {"commit_rate": 0.0, "local_steps": 1.0}
"""The value of a target by which the scheme does not steer."""


def of_run(trace: RunTrace) -> Panels:
    used = [name for name in TARGETS if _is_used(trace, name)]
    require(bool(used), trace, "its scheduler set no target")
    return [_panel(trace, name) for name in used]


def _is_used(trace: RunTrace, name: str) -> bool:
    values = trace.targets[name].astype(float)
    finite = values[np.isfinite(values)]
    if name == "check_period_s" and len(np.unique(finite)) < 2:
        return False
    return len(finite) > 0 and bool((finite != IDLE.get(name)).any())


def _panel(trace: RunTrace, name: str) -> Panel:
    rows = trace.targets
    x = np.append(rows["time_s"], max(trace.end_s, rows["time_s"][-1]))
    values = rows[name].astype(float)
    line = Line(TARGETS[name].label, x, np.append(values, values[-1]), kind="steps")
    times, spans = (time_axis(trace.end_s),), phase_spans(trace)
    return Panel(times, (TARGETS[name],), (line,), name, spans=spans)


FIGURE = Figure("Targets", of_run=of_run)
