"""A figure, and the runs that it applies to."""

from dataclasses import dataclass
from typing import Callable, Mapping, Sequence, TypeVar

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.panel import AnyPanel
from adsp_mpi.errors import AdspError

Runs = Mapping[str, RunTrace]
"""The runs by their labels, in the order in which they are shown."""

Panels = Sequence[AnyPanel]
Shown = TypeVar("Shown")


@dataclass(frozen=True)
class Figure:
    """Describes one figure: of one run, of several runs in the same panels, or of both.

    Its functions raise `NothingToDraw` for a run to which the figure does not apply.
    """

    title: str
    of_run: Callable[[RunTrace], Panels] | None = None
    """The panels of one run; up to four runs are drawn side by side."""

    of_runs: Callable[[Runs], Panels] | None = None
    of_windows: (
        Callable[[Sequence[RunTrace], float | None, float | None], Sequence[Panels]] | None
    ) = None
    """The panels of each run in the window from one second to another; None: a default one."""

    wide: bool = False
    """Whether it is as wide as a page, so that several runs are drawn below each other."""


class NothingToDraw(AdspError):
    """The figure does not apply to `trace`; `missing` says what the trace lacks."""

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
    """Call `show` with the runs to which it applies; returns its result, these runs, and why the
    others are left out.

    Raises AdspError if it applies to none.
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
