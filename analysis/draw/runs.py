"""What a figure of `plot` is, and what all of them share: panels, labels, looks, colours."""

from dataclasses import dataclass
from itertools import product
from typing import Callable, Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.style import (
    BLUE,
    GREEN,
    GREY,
    HEIGHT_INCHES,
    LOOKS,
    NARROW_INCHES,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    WIDE_INCHES,
    Look,
)
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.worker_metrics import worker_metrics
from adsp_mpi.errors import AdspError, UsageError

MAX_PANELS = 4
"""Runs that have room side by side."""

MAX_POINTS = 2000
"""Of one line; more would not be seen."""

SPARE_LOOKS = [
    Look(colour, marker, line)
    for line, (colour, marker) in product(
        ("-", "--", "-.", ":"),
        zip((BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, GREY), "ov^DsPX", strict=True),
    )
]


@dataclass(frozen=True)
class View:
    """What the command line asks for; None: what suits the runs."""

    width_inches: float | None = None
    from_s: float | None = None
    to_s: float | None = None


@dataclass(frozen=True)
class Plot:
    """One figure. `draw` raises AdspError for runs that it does not apply to."""

    draw: Callable[[Sequence[RunTrace], View], Figure]
    takes_window: bool = False
    """Whether it shows a window of the run's time."""


def run_labels(runs: Sequence[RunTrace]) -> list[str]:
    """The models; the folders where a model comes twice, as much of them as tells them apart."""
    folders = [trace.folder for trace in runs]
    choices = [
        [str(trace.said("model", "") or trace.name) for trace in runs],
        [trace.name for trace in runs],
        ["/".join(folder.parts[-2:]) for folder in folders],
    ]
    distinct = (labels for labels in choices if len(set(labels)) == len(labels))
    return next(distinct, [f"{label} ({n})" for n, label in enumerate(choices[1], 1)])


def run_looks(runs: Sequence[RunTrace]) -> list[Look]:
    """A look of its own for each run; that of its model for the first run of a model."""
    taken: list[tuple[str, str]] = []
    looks: list[Look] = []
    for trace in runs:
        usual = LOOKS.get(trace.said("model"))
        choices = ([usual] if usual else []) + SPARE_LOOKS
        free = (look for look in choices if (look.colour, look.line) not in taken)
        look = next(free, SPARE_LOOKS[len(looks) % len(SPARE_LOOKS)])
        taken.append((look.colour, look.line))
        looks.append(look)
    return looks


def run_panels(
    runs: Sequence[RunTrace], view: View, rows: int = 1, share_y: bool = True
) -> tuple[Figure, np.ndarray]:
    """A column of panels for each run, with its label on top; Axes[rows, runs].

    `share_y` gives the panels of a row the same scale. Raises UsageError for too many runs.
    """
    if len(runs) > MAX_PANELS:
        raise UsageError(f"this figure has room for {MAX_PANELS} runs, not {len(runs)}")
    width = view.width_inches or (WIDE_INCHES if len(runs) > 1 else NARROW_INCHES)
    height = HEIGHT_INCHES * (1 + 0.55 * (rows - 1))
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(
        rows, len(runs), squeeze=False, sharex="col", sharey="row" if share_y else False
    )
    for panel, label in zip(axes[0], run_labels(runs), strict=True):
        panel.set_title(label)
    for panel in axes[-1]:
        panel.set_xlabel("time (s)")
    return figure, axes


@dataclass(frozen=True)
class SpeedScale:
    """Colours of workers by their speed, from slow and dark to fast and light."""

    speeds: tuple[dict[int, float], ...]
    """Steps per second of every worker of every run."""

    mappable: ScalarMappable

    @classmethod
    def of(cls, runs: Sequence[RunTrace]) -> "SpeedScale":
        speeds = tuple({w: worker_metrics(trace, w).speed for w in trace.workers} for trace in runs)
        known = [speed for of_run in speeds for speed in of_run.values() if speed > 0]
        return cls(speeds, ScalarMappable(Normalize(*_ends(known)), _readable("viridis")))

    def colour(self, run: int, worker: int) -> tuple[float, ...]:
        [colour] = self.mappable.to_rgba(np.array([self.speeds[run][worker]])).tolist()
        return tuple(colour)

    @property
    def is_flat(self) -> bool:
        """All workers are equally fast, within a hundredth."""
        low, high = self.mappable.get_clim()
        return not low or high / low < 1.01

    def draw_bar(self, figure: Figure, axes: np.ndarray) -> None:
        """The scale beside the panels; none where all are equally fast."""
        if not self.is_flat:
            bar = figure.colorbar(self.mappable, ax=list(axes.flat), pad=0.02, aspect=30)
            bar.set_label("speed of the worker (steps/s)")
            bar.outline.set_visible(False)


def nothing_to_draw(trace: RunTrace, missing: str) -> AdspError:
    """What to raise for a run that a figure does not apply to; `missing` says what it lacks."""
    return AdspError(f"{trace.path}: nothing to draw: {missing}")


def require(condition: bool, trace: RunTrace, missing: str) -> None:
    """Raise `nothing_to_draw` unless `condition` holds."""
    if not condition:
        raise nothing_to_draw(trace, missing)


def thinned(rows: np.ndarray, at_most: int = MAX_POINTS) -> np.ndarray:
    """At most so many rows, evenly chosen, with the first and the last."""
    if len(rows) <= at_most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, at_most).round().astype(int)]


def _readable(name: str) -> LinearSegmentedColormap:
    """The colour map without its lightest end, which would not show on paper."""
    import matplotlib

    return LinearSegmentedColormap.from_list(
        f"readable_{name}", matplotlib.colormaps[name](np.linspace(0, 0.9, 64))
    )


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (0.0, 1.0)
