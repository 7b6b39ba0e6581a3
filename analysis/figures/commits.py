"""Every worker's commit count over time: lines with equal counts coincide."""

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, Panels, require
from adsp_mpi.analysis.series.panel import Axis, Line, Panel, time_axis
from adsp_mpi.analysis.series.runs import phase_spans, worker_paints

COUNT = Axis("commits of a worker", whole=True, includes=(0.0,))


def of_run(trace: RunTrace) -> Panels:
    lines = []
    for worker, paint in zip(trace.workers, worker_paints(trace), strict=True):
        done_s = trace.worker_rows(worker, "commits", ("done_s",))["done_s"]
        x = np.concatenate([[0.0], done_s, [max(trace.end_s, done_s.max(initial=0.0))]])
        y = np.minimum(np.arange(len(x)), len(done_s))
        lines.append(Line(f"worker {worker}", x, y, paint, kind="steps"))
    require(any(line.y[-1] for line in lines), trace, "no commit was recorded")
    return [
        Panel(
            (time_axis(trace.end_s),),
            (COUNT,),
            (*lines, *_target(trace)),
            spans=phase_spans(trace),
            lines_coincide=True,
        )
    ]


def _target(trace: RunTrace) -> list[Line]:
    """The line of C_target, which every worker should have reached before it rises."""
    targets = trace.targets[trace.targets["commit_target"] > 0]
    if not len(targets):
        return []
    x = np.append(targets["time_s"], trace.end_s)
    y = np.append(targets["commit_target"], targets["commit_target"][-1])
    name = "C_target, to be reached at the next check"
    return [Line(name, x, y, "black", kind="steps", dotted=True)]


FIGURE = Figure("Commits", of_run=of_run)
