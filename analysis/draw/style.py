"""The style of printed figures: colours, line styles, sizes, and file formats."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

NARROW_INCHES, WIDE_INCHES, HEIGHT_INCHES = 3.5, 7.0, 2.6
PIXELS_PER_INCH = 200
LEGEND_KEY_INCHES, LEGEND_LETTER_INCHES = 0.5, 0.052

ORANGE, SKY, GREEN = "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
"""The colours of Okabe and Ito, which colour-blind readers can tell apart."""
GREY = "#777777"


@dataclass(frozen=True)
class Look:
    colour: str
    marker: str
    line: str = "-"
    hatch: str = ""


LOOKS = {
    "adsp": Look(BLUE, "o"),
    "adsp-fixed": Look(BLUE, "o"),
    "adsp-plus": Look(PURPLE, "P", ":", "++"),
    "adacomm": Look(ORANGE, "v", "-.", "...."),
    "fixed-adacomm": Look(VERMILLION, "^", "-", "\\\\\\\\"),
    "ssp": Look(GREEN, "D", "--", "xxxx"),
    "bsp": Look(GREY, "X", ":", "----"),
    "asp": Look(PURPLE, "P", "-.", "++++"),
    "batchtune-bsp": Look(PURPLE, "P", "-.", "++++"),
    "batchtune-fixed-adacomm": Look(YELLOW, "*", "--", "oo"),
    "wbsp": Look(SKY, "s", "--", "////"),
}

STYLE: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "errorbar.capsize": 2,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "svg.hashsalt": "adsp_mpi",
}

METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "png": {"Software": None},
    "svg": {"Creator": None, "Date": None},
}
"""Metadata left out of each kind of file, as they change with the time or the version."""


def panels(
    number: int = 1, share_x: bool = False, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of paper size with `number` panels side by side."""
    size = (WIDE_INCHES if number > 1 else NARROW_INCHES, HEIGHT_INCHES)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, number, sharex=share_x, sharey=share_y, squeeze=False)[0]
    return figure, list(axes)


def write(draw: Callable[[], Figure], paths: Sequence[Path]) -> None:
    """Draw in this module's style into files; the same data make the same bytes.

    The figure is laid out once, at the files' resolution, and not again for every file.
    """
    with matplotlib.rc_context(STYLE):
        figure = draw()
        figure.set_dpi(PIXELS_PER_INCH)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for path in paths:
            kind = path.suffix.lower().removeprefix(".")
            figure.savefig(path, dpi=PIXELS_PER_INCH, metadata=METADATA[kind])


def whole_numbers(axis: Axis, most: int = 6) -> None:
    """Put at most `most` ticks on the axis, at whole numbers only."""
    axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))


def from_zero(axes: Axes) -> None:
    """Begin the vertical axis at 0, with some room at the top."""
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def legend_below(figure: Figure, handles: Sequence[Any]) -> None:
    """Draw a legend below the panels, where it hides no data, at most as wide as the figure."""
    number = len(handles)
    columns = number if number <= 4 else 3 if number <= 6 else 4
    letters = [len(handle.get_label()) for handle in handles]
    entries = [LEGEND_KEY_INCHES + LEGEND_LETTER_INCHES * length for length in letters]
    if number > columns or sum(entries) > figure.get_figwidth():
        columns = max(1, min(columns, int(figure.get_figwidth() / max(entries))))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=2.6)


def line_handles(axes: Sequence[Axes]) -> list[Any]:
    """The legend entries of these panels, each label once."""
    drawn: dict[str, Any] = {}
    for panel in axes:
        handles, labels = panel.get_legend_handles_labels()
        drawn |= dict(zip(labels, handles, strict=True))
    return list(drawn.values())
