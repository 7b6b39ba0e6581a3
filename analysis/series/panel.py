"""What a figure shows, as data: panels with axes, and the marks between them.

Nothing here draws: `draw/` does with matplotlib, `page/` in a browser, both from the same panels.
Text that a reader sees comes from here, and so do units and limits; sizes and styles do not.
"""

from dataclasses import dataclass, field
from typing import Literal, Mapping

import numpy as np

Numbers = np.ndarray | float
"""One value for every item of a mark, [items], or one for all of them."""


@dataclass(frozen=True)
class OfWorker:
    """The colour of a worker: in print by its speed, on the page one for each number."""

    worker: int
    speed: float


@dataclass(frozen=True)
class OfRun:
    """The colour of the run that is called `label`; in print that of its model, if it has one."""

    label: str
    model: str


Paint = str | OfWorker | OfRun
"""A colour: that of a worker or run, or one of `COLOURS`."""

COLOURS = ("blue", "orange", "green", "vermillion", "sky", "purple", "grey", "pale", "black")


@dataclass(frozen=True)
class Level:
    """A horizontal line across the panel."""

    value: float
    name: str = ""
    dashed: bool = True


@dataclass(frozen=True)
class Axis:
    """What an axis measures. `name` is the column of a `Line` that it shows."""

    label: str
    unit: str = ""
    name: str = "y"
    log: bool = False
    whole: bool = False
    """Only whole numbers have ticks."""

    includes: tuple[float, ...] = ()
    """Values that are always on the axis; with 0 it begins there if nothing lies below."""

    span: tuple[float, float] | None = None
    """From where to where it goes; None: as far as the data."""

    labels: tuple[str, ...] = ()
    """Names at 0, 1, 2, ... instead of numbers."""

    levels: tuple[Level, ...] = ()
    same_scale: bool = False
    """Runs that are drawn side by side share it."""

    @property
    def text(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True)
class Line:
    """Values over x: joined by a line, held until the next (`steps`), or dots. NaN is a gap."""

    name: str
    x: np.ndarray
    y: np.ndarray
    paint: Paint = "blue"
    kind: Literal["line", "steps", "dots"] = "line"
    dotted: bool = False
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What else the axes can show, by an axis's name, [points]."""

    texts: tuple[str, ...] = ()
    """Beside each point; empty: none."""


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
    """A thin gap sets each apart from the next."""


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
    """Triangles at the upper edge of the panel: values beyond every scale."""

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
    """Marks between two axes. Of several `xs` or `ys` print shows the first; the page lets
    the reader choose."""

    xs: tuple[Axis, ...]
    ys: tuple[Axis, ...]
    marks: tuple[Mark, ...]
    title: str = ""
    """What sets it apart from the other panels of its figure."""

    note: str = ""
    spans: tuple[Span, ...] = ()
    lines_coincide: bool = False
    """Lines may hide each other: print draws the slower workers' wider."""


@dataclass(frozen=True)
class Bars:
    """Stacked shares, a bar a row; each row of `shares` [rows, parts] sums to 1 or to 0."""

    rows: tuple[str, ...]
    row_label: str
    parts: tuple[str, ...]
    paints: tuple[str, ...]
    """Of the parts."""

    shares: np.ndarray
    share_label: str
    details: tuple[str, ...] = ()
    """What the page says of each row."""

    title: str = ""
    note: str = ""


AnyPanel = Panel | Bars


def time_axis(end_s: float) -> Axis:
    """Time since the run's start; panels with this axis zoom together on the page."""
    return Axis("time", "s", name="time_s", span=(0.0, end_s) if end_s > 0 else None)
