"""The loss of the global model over time, for one or more runs, with the target."""

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, Panels, Runs, require
from adsp_mpi.analysis.series.panel import Axis, Level, Line, Panel, time_axis
from adsp_mpi.analysis.series.runs import run_paint
from adsp_mpi.core.stop import time_to_target
from adsp_mpi.trace import schema

STEPS = Axis("steps of all workers", name="steps", includes=(0.0,))
LANDED = Axis("commits in the model", name="landed", includes=(0.0,))
NO_METRICS = {name for name, _, _ in schema.EVALS}


def of_runs(runs: Runs) -> Panels:
    lines: list[Line] = []
    metrics: dict[str, None] = {"loss": None}
    for label, trace in runs.items():
        evals = trace.counted_evals
        require(bool(np.isfinite(evals["loss"]).any()), trace, "no evaluation was recorded")
        metrics |= {name: None for name in evals.dtype.names or () if name not in NO_METRICS}
        lines += _lines(label, trace, evals)
    axes = [_loss_axis(runs, lines), *(Axis(name, name=name) for name in metrics if name != "loss")]
    ends_s = [trace.end_s for trace in runs.values()]
    note = "Evaluations in trials are left out; a dot marks where the target was reached for good."
    return [Panel((time_axis(max(ends_s)), STEPS, LANDED), tuple(axes), tuple(lines), note=note)]


def _lines(label: str, trace: RunTrace, evals: np.ndarray) -> list[Line]:
    """The line of a run's evaluations, and the moment when it reached its target for good."""
    losses = list(zip(evals["time_s"].tolist(), evals["loss"].tolist(), strict=True))
    reached_s = time_to_target(losses, trace.target_loss) if trace.target_loss else None
    paint = run_paint(label, trace)
    columns = {name: evals[name] for name in evals.dtype.names or () if name not in _TIMES}
    lines = [Line(label, evals["time_s"], evals["loss"], paint, columns=columns)]
    if reached_s is not None:
        there = evals[evals["time_s"] == reached_s][:1]
        lines.append(Line(label, there["time_s"], there["loss"], paint, kind="dots"))
    return lines


def _loss_axis(runs: Runs, lines: list[Line]) -> Axis:
    targets = {trace.target_loss for trace in runs.values()} - {0.0}
    levels = tuple(Level(target, f"target {target:g}", dashed=False) for target in sorted(targets))
    positive = all((line.y[np.isfinite(line.y)] > 0).all() for line in lines)
    return Axis("loss of the global model", name="loss", log=positive, levels=levels)


_TIMES = {"time_s", "duration_s", "trial"}

FIGURE = Figure("Loss", of_runs=of_runs)
