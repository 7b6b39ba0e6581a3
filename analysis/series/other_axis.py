"""Panels over another of the quantities that their horizontal axis can show."""

from dataclasses import replace

from adsp_mpi.analysis.series.panel import AnyPanel, Line, Panel
from adsp_mpi.errors import UsageError


def over(panel: AnyPanel, name: str) -> AnyPanel:
    """The panel with the axis called `name` as its horizontal one.

    Marks without values for that axis are left out. Raises UsageError if there is no such axis.
    """
    axes = {axis.name: axis for axis in panel.xs} if isinstance(panel, Panel) else {}
    if not isinstance(panel, Panel) or name not in axes:
        raise UsageError(f"--x {name}: the figure has {', '.join(axes) or 'no such axis'}")
    if axes[name] is panel.xs[0]:
        return panel
    marks = tuple(
        replace(mark, x=mark.columns[name])
        for mark in panel.marks
        if isinstance(mark, Line) and name in mark.columns
    )
    return replace(panel, xs=(axes[name],), marks=marks)
