"""The content of a figure as data: panels with axes, and marks between the axes.

Nothing here draws: `draw/` draws panels with matplotlib, `page/` draws the same ones in a browser.
All text that a reader sees, units and limits are in the panels; sizes and styles are not.
"""

from dataclasses import dataclass, field
from typing import Literal, Mapping

import numpy as np

Numbers = np.ndarray | float
"""One value per item of a mark, [items], or one for all items."""


@dataclass(frozen=True)
class OfWorker:
    """A worker's colour: in print by its speed, on the page by its number."""

    worker: int
    speed: float


@dataclass(frozen=True)
class OfRun:
    """The colour of the run called `label`; in print its scheme's colour, if there is one."""

    label: str
    model: str


Paint = str | OfWorker | OfRun
"""A colour: a worker's, a run's, or one of `COLOURS`."""

COLOURS = ("blue", "orange", "green", "vermillion", "sky", "purple", "grey", "pale", "black")


@dataclass(frozen=True)
class Level:
    """A horizontal line across the panel."""

    value: float
    name: str = ""
    dashed: bool = True


@dataclass(frozen=True)
class Axis:
    """An axis and the quantity that it shows; `name` is the column of a `Line` for it."""

    label: str
    unit: str = ""
    name: str = "y"
    log: bool = False
    whole: bool = False
    """Whether ticks are at whole numbers only."""

    includes: tuple[float, ...] = ()
    """Values that the axis always includes; with 0 it begins there unless data lie below."""

    span: tuple[float, float] | None = None
    """The ends of the axis; None: those of the data."""

    labels: tuple[str, ...] = ()
    """Names for the places 0, 1, 2, ... instead of numbers."""

    levels: tuple[Level, ...] = ()
    same_scale: bool = False
    """Whether runs that are drawn side by side share the axis's limits."""

    @property
    def text(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Line:
    """Values over x: joined by a line, held until the next one (`steps`), or dots. NaN: a gap."""

    name: str
    x: np.ndarray
    y: np.ndarray
    paint: Paint = "blue"
    kind: Literal["line", "steps", "dots"] = "line"
    dotted: bool = False
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Further values for the panel's other axes, by the axis's name, [points]."""

    texts: tuple[str, ...] = ()
    """The text beside each point; empty: none."""


@dataclass(frozen=True)
class Boxes:
    """Rectangles from x0 to x1 and from low to high."""

    name: str
    x0: np.ndarray
    x1: np.ndarray
    low: Numbers
    high: Numbers
    paint: Paint = "sky"
    hatched: bool = False
    edged: bool = True
    """Whether a thin gap separates adjacent boxes."""


@dataclass(frozen=True)
class Sticks:
    """Vertical lines from low to high."""

    name: str
    x: np.ndarray
    low: Numbers
    high: Numbers
    paint: Paint = "blue"


@dataclass(frozen=True)
class AtTop:
    """Triangles at the upper edge of the panel, for infinite values."""

    name: str
    x: np.ndarray
    paint: Paint = "vermillion"


@dataclass(frozen=True)
class Moments:
    """Dashed vertical lines through the whole panel."""

    name: str
    x: np.ndarray


Mark = Line | Boxes | Sticks | AtTop | Moments


@dataclass(frozen=True)
class Span:
    """A shaded stretch of time."""

    from_s: float
    to_s: float
    name: str


@dataclass(frozen=True)
class Panel:
    """Marks between two axes. Of several `xs` or `ys` a printed figure shows the first; on the
    page the reader can choose."""

    xs: tuple[Axis, ...]
    ys: tuple[Axis, ...]
    marks: tuple[Mark, ...]
    title: str = ""
    """A name that distinguishes it from the other panels of its figure."""

    note: str = ""
    spans: tuple[Span, ...] = ()
    lines_coincide: bool = False
    """Whether lines may hide each other: print then draws slower workers' lines wider."""


@dataclass(frozen=True)
class Bars:
    """Stacked shares, one bar per row; each row of `shares`, [rows, parts], sums to 1 or to 0."""

    rows: tuple[str, ...]
    row_label: str
    parts: tuple[str, ...]
    paints: tuple[str, ...]
    """The colours of the parts."""

    shares: np.ndarray
    share_label: str
    details: tuple[str, ...] = ()
    """Text about each row, shown on the page."""

    title: str = ""
    note: str = ""


AnyPanel = Panel | Bars


def time_axis(end_s: float) -> Axis:
    """The time since the run's start; panels with this axis zoom together on the page."""
    return Axis("time", "s", name="time_s", span=(0.0, end_s) if end_s > 0 else None)
