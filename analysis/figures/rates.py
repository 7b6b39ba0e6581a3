"""Whether commits keep to their plan: due and done a check period, and counts beside C_target."""

from dataclasses import dataclass
from typing import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.runs import Plot, SpeedScale, View, require, run_panels
from adsp_mpi.analysis.draw.style import (
    BLUE,
    GREY,
    ORANGE,
    from_zero,
    legend_below,
    line_handles,
    whole_numbers,
)
from adsp_mpi.analysis.run_trace import RunTrace

MAX_PERIODS = 400
"""With more check periods than this the last ones are drawn."""


@dataclass(frozen=True)
class Periods:
    """The check periods of a run that had a commit target."""

    from_s: np.ndarray  # [periods]
    to_s: np.ndarray
    due: np.ndarray  # [periods, workers], as the period began
    done: np.ndarray  # commits that landed in it
    ahead: np.ndarray  # commits landed minus C_target as it ended


def periods_of(trace: RunTrace) -> Periods:
    """Every row of ps/targets is one; the last one counts if the run saw the end of it."""
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
    """Commits landed by these moments, [moments, workers]."""
    landed = [trace.worker_rows(w, "commits", ("done_s",))["done_s"] for w in trace.workers]
    counts = [np.searchsorted(done_s, times_s, side="right") for done_s in landed]
    return np.stack(counts, axis=1) if counts else np.zeros((len(times_s), 0))


def draw(runs: Sequence[RunTrace], view: View) -> Figure:
    all_periods = [periods_of(trace) for trace in runs]
    figure, axes = run_panels(runs, view, rows=2)
    scale = SpeedScale.of(runs)
    for number, (trace, periods) in enumerate(zip(runs, all_periods, strict=True)):
        require(periods.due.size > 0, trace, "no worker recorded anything")
        _draw_due(axes[0][number], periods)
        for worker, ahead in zip(trace.workers, periods.ahead.T, strict=True):
            colour = scale.colour(number, worker)
            axes[1][number].plot(periods.to_s, ahead, ".-", color=colour, linewidth=0.7)
        axes[1][number].axhline(0, color="black", linewidth=0.6)
        for panel in axes[:, number]:
            whole_numbers(panel.yaxis, 5)
    low, high = axes[1][0].get_ylim()
    axes[1][0].set_ylim(min(low, -1.5), max(high, 1.5))
    axes[0][0].set_ylabel("commits of a worker\nin a check period")
    axes[1][0].set_ylabel("commits at the check\nminus C_target")
    figure.align_ylabels(list(axes[:, 0]))
    scale.draw_bar(figure, axes)
    legend_below(figure, line_handles(list(axes[0])))
    return figure


def _draw_due(panel: Axes, periods: Periods) -> None:
    """Means over the workers, with the range."""
    edges = np.append(periods.from_s, periods.to_s[-1])
    low, high = periods.due.min(axis=1), periods.due.max(axis=1)
    panel.stairs(high, edges, baseline=low, fill=True, color=GREY, alpha=0.3, label="due, range")
    panel.stairs(periods.due.mean(axis=1), edges, baseline=None, color=BLUE, label="due, mean")
    means = periods.done.mean(axis=1)
    panel.errorbar(
        (periods.from_s + periods.to_s) / 2,
        means,
        yerr=[means - periods.done.min(axis=1), periods.done.max(axis=1) - means],
        fmt="o",
        color=ORANGE,
        elinewidth=0.8,
        markersize=3,
        label="done, mean and range",
    )
    from_zero(panel)


PLOT = Plot(draw)
