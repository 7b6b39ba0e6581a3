"""What a figure is, and which runs it applies to."""

from dataclasses import dataclass
from typing import Callable, Mapping, Sequence, TypeVar

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.panel import AnyPanel
from adsp_mpi.errors import AdspError

Runs = Mapping[str, RunTrace]
"""Runs by their labels, in the order to show them."""

Panels = Sequence[AnyPanel]
Shown = TypeVar("Shown")


@dataclass(frozen=True)
class Figure:
    """What one figure shows: of one run, or of several in the same panels, or both.

    Each of the functions raises `NothingToDraw` for a run that the figure does not apply to.
    """

    title: str
    of_run: Callable[[RunTrace], Panels] | None = None
    """Several runs are drawn side by side, up to four of them."""

    of_runs: Callable[[Runs], Panels] | None = None
    of_windows: (
        Callable[[Sequence[RunTrace], float | None, float | None], Sequence[Panels]] | None
    ) = None
    """As `of_run` for each run, from one moment to another, in seconds; None: of its choice."""

    wide: bool = False
    """A page wide: several runs stand below each other."""


class NothingToDraw(AdspError):
    """A figure does not apply to `trace`, which lacks what `missing` says."""

    def __init__(self, trace: RunTrace, missing: str) -> None:
        super().__init__(f"{trace.path}: nothing to draw: {missing}")
        self.trace = trace
        self.missing = missing


def require(condition: bool, trace: RunTrace, missing: str) -> None:
    """Raise `NothingToDraw` unless `condition` holds."""
    if not condition:
        raise NothingToDraw(trace, missing)


def show_those_that_apply(
    runs: Runs, show: Callable[[Runs], Shown]
) -> tuple[Shown, Runs, tuple[NothingToDraw, ...]]:
    """What `show` makes of the runs that it applies to, those runs, and why the others are not
    in it. Raises AdspError where it applies to none.
    """
    left_out: list[NothingToDraw] = []
    while True:
        try:
            return show(runs), runs, tuple(left_out)
        except NothingToDraw as error:
            left_out.append(error)
            runs = {label: trace for label, trace in runs.items() if trace is not error.trace}
            if not runs:
                if len(left_out) == 1:
                    raise
                raise AdspError("; ".join(str(error) for error in left_out)) from error
