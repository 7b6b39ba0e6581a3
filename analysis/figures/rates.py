"""Whether commits keep to the plan: due and done per check period, and counts beside C_target."""

from dataclasses import dataclass

import numpy as np

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import Figure, Panels, require
from adsp_mpi.analysis.series.panel import Axis, Boxes, Level, Line, Panel, Sticks, time_axis
from adsp_mpi.analysis.series.runs import worker_paints

MAX_PERIODS = 400
"""At most this many check periods are drawn, the last ones."""


COMMITS = Axis("commits a check period", whole=True, includes=(0.0,), same_scale=True)
AHEAD = Axis(
    "commits ahead of C_target",
    whole=True,
    includes=(-1.5, 1.5),
    levels=(Level(0.0, dashed=False),),
    same_scale=True,
)


@dataclass(frozen=True)
class Periods:
    """The check periods of a run that had a commit target."""

    from_s: np.ndarray  # [periods]
    to_s: np.ndarray
    due: np.ndarray  # [periods, workers], at the start of the period
    done: np.ndarray  # commits that landed in the period
    ahead: np.ndarray  # commits landed minus C_target, at the end of the period


def periods_of(trace: RunTrace) -> Periods:
    """The run's check periods, one per row of ps/targets; the last one only if it is complete."""
    targets, ends = trace.targets, trace.targets_until_s
    model = trace.said("model", "this model")
    has_target = targets["commit_target"] > 0
    require(bool(has_target.any()), trace, f"{model} gives its workers no commit target")
    kept = has_target & (ends > targets["time_s"])
    kept[-1] &= bool(trace.end_s >= targets["since_s"][-1] + targets["check_period_s"][-1])
    require(bool(kept.any()), trace, "no check period came to its end")
    starts, ends, goals = (
        v[kept][-MAX_PERIODS:] for v in (targets["time_s"], ends, targets["commit_target"])
    )
    before, after = _counts(trace, starts), _counts(trace, ends)
    return Periods(starts, ends, goals[:, None] - before, after - before, after - goals[:, None])


def _counts(trace: RunTrace, times_s: np.ndarray) -> np.ndarray:
    """The commits landed by each of these moments, [moments, workers]."""
    landed = [trace.worker_rows(w, "commits", ("done_s",))["done_s"] for w in trace.workers]
    counts = [np.searchsorted(done_s, times_s, side="right") for done_s in landed]
    return np.stack(counts, axis=1) if counts else np.zeros((len(times_s), 0))


def of_run(trace: RunTrace) -> Panels:
    periods = periods_of(trace)
    require(periods.due.size > 0, trace, "no worker recorded anything")
    lines = [
        Line(f"worker {paint.worker}", periods.to_s, ahead, paint)
        for paint, ahead in zip(worker_paints(trace), periods.ahead.T, strict=True)
    ]
    times = (time_axis(trace.end_s),)
    return [
        Panel(times, (COMMITS,), _due_and_done(periods), "in a check period"),
        Panel(times, (AHEAD,), tuple(lines), "at the check"),
    ]


def _due_and_done(periods: Periods) -> tuple[Boxes | Line | Sticks, ...]:
    """The due and done commits: means over the workers, with the range."""
    edges = np.append(periods.from_s, periods.to_s[-1])
    due, done = periods.due.mean(axis=1), periods.done.mean(axis=1)
    low, high = periods.due.min(axis=1), periods.due.max(axis=1)
    middles, name = (periods.from_s + periods.to_s) / 2, "done, mean and range"
    return (
        Boxes("due, range", periods.from_s, periods.to_s, low, high, "pale", edged=False),
        Line("due, mean", edges, np.append(due, due[-1]), kind="steps"),
        Sticks(name, middles, periods.done.min(axis=1), periods.done.max(axis=1), "orange"),
        Line(name, middles, done, "orange", kind="dots"),
    )


FIGURE = Figure("Commits due and done", of_run=of_run)
