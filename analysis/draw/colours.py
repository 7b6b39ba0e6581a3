"""The colours of a printed figure: one for each run, for workers by speed, and by name."""

from dataclasses import dataclass
from itertools import product
from typing import Any, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_hex
from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.style import (
    BLUE,
    GREEN,
    GREY,
    LOOKS,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Look,
)
from adsp_mpi.analysis.series.panel import (
    AnyPanel,
    Bars,
    Boxes,
    Line,
    OfRun,
    OfWorker,
    Paint,
    Sticks,
)

BY_NAME = {
    "blue": BLUE,
    "orange": ORANGE,
    "green": GREEN,
    "vermillion": VERMILLION,
    "sky": SKY,
    "purple": PURPLE,
    "grey": GREY,
    "pale": "#d6d6d6",
    "black": "black",
}

SPARE_LOOKS = [
    Look(colour, marker, line)
    for line, (colour, marker) in product(
        ("-", "--", "-.", ":"),
        zip((BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, GREY), "ov^DsPX", strict=True),
    )
]


@dataclass(frozen=True)
class Colours:
    """The colour and line style of every `Paint` in a figure."""

    runs: Mapping[str, Look]
    speeds: ScalarMappable
    """Worker colours, from dark for slow to light for fast."""

    @classmethod
    def of(cls, panels: Sequence[AnyPanel]) -> "Colours":
        paints = [paint for panel in panels for paint in _paints(panel)]
        runs = {paint.label: paint.model for paint in paints if isinstance(paint, OfRun)}
        speeds = [p.speed for p in paints if isinstance(p, OfWorker) and p.speed > 0]
        ends = (min(speeds), max(speeds)) if speeds else (0.0, 1.0)
        looks = run_looks(list(runs.values()))
        return cls(
            dict(zip(runs, looks, strict=True)),
            ScalarMappable(Normalize(*ends), _readable("viridis")),
        )

    def look(self, paint: Paint) -> Look:
        if isinstance(paint, OfRun):
            return self.runs[paint.label]
        if isinstance(paint, OfWorker):
            [colour] = self.speeds.to_rgba(np.array([paint.speed]))
            return Look(to_hex(colour), "o")
        return Look(BY_NAME[paint], "o")

    @property
    def all_equally_fast(self) -> bool:
        """Whether all speeds agree to 1%; True if no worker has a colour."""
        low, high = self.speeds.get_clim()
        return not low or not high or high / low < 1.01

    def draw_scale(self, figure: Figure, axes: Sequence[Any]) -> None:
        """Draw the scale of speeds beside `axes`, unless all workers are equally fast."""
        if not self.all_equally_fast:
            bar = figure.colorbar(self.speeds, ax=list(axes), pad=0.02, aspect=30)
            bar.set_label("speed of the worker (steps/s)")
            bar.outline.set_visible(False)


def run_looks(models: Sequence[str]) -> list[Look]:
    """A distinct look for every run: its scheme's own for the first run of each scheme."""
    taken: list[tuple[str, str]] = []
    looks: list[Look] = []
    for model in models:
        usual = LOOKS.get(model)
        choices = ([usual] if usual else []) + SPARE_LOOKS
        free = (look for look in choices if (look.colour, look.line) not in taken)
        look = next(free, SPARE_LOOKS[len(looks) % len(SPARE_LOOKS)])
        taken.append((look.colour, look.line))
        looks.append(look)
    return looks


def _paints(panel: AnyPanel) -> list[Paint]:
    if isinstance(panel, Bars):
        return list(panel.paints)
    return [mark.paint for mark in panel.marks if isinstance(mark, Line | Boxes | Sticks)]


def _readable(name: str) -> LinearSegmentedColormap:
    """The colour map without its lightest end, which is invisible on paper."""
    return LinearSegmentedColormap.from_list(
        f"readable_{name}", matplotlib.colormaps[name](np.linspace(0, 0.9, 64))
    )
