"""Draws the experiments' figures: bars and lines with the range over the seeds."""

from math import inf
from pathlib import Path
from typing import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from adsp_mpi.analysis.draw.style import (
    BLUE,
    LOOKS,
    ORANGE,
    PURPLE,
    SKY,
    Look,
    legend_below,
    line_handles,
    panels,
    write,
)
from adsp_mpi.analysis.experiments.result import (
    OWN_BEST,
    PAPERS_VALUES,
    At,
    Result,
    columns_of,
    find,
    labels_of,
    places_of,
)
from adsp_mpi.analysis.experiments.setting import PUBLISHED
from adsp_mpi.analysis.experiments.tables import place_text
from adsp_mpi.analysis.spread import Spread

OWN_LOOKS = {
    PUBLISHED: Look(SKY, "s", "--", "////"),
    PAPERS_VALUES: Look(BLUE, "o"),
    OWN_BEST: Look(ORANGE, "s", "--", "////"),
}


def look_of(label: str) -> Look:
    return LOOKS.get(label) or OWN_LOOKS.get(label) or Look(PURPLE, "P", "-.", "++++")


def save(draw: Callable[[], Figure], folder: Path, name: str) -> None:
    """Draw the files NAME.pdf and NAME.png."""
    write(draw, [folder / f"{name}.pdf", folder / f"{name}.png"])


def bars(axes: Axes, groups: Sequence[str], series: Mapping[str, Sequence[Spread]]) -> None:
    """Draw horizontal bars, the first group on top, with one bar per series in each group."""
    height = 0.8 / len(series)
    for number, (label, spreads) in enumerate(series.items()):
        look = look_of(label)
        for group, spread in enumerate(spreads):
            y = group - 0.4 + (number + 0.5) * height
            bar(axes, y, 0.9 * height, spread, look)
    axes.set_yticks(range(len(groups)), groups)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))


def bar(axes: Axes, y: float, height: float, spread: Spread, look: Look) -> None:
    """Draw the median as a bar, the range as its error bar; text if it was not reached."""
    if not spread.reached:
        axes.text(
            0.01, y, " not reached", va="center", size=6, transform=axes.get_yaxis_transform()
        )
        return
    high = spread.high if spread.high < inf else spread.middle
    axes.barh(
        y,
        spread.middle,
        height,
        color=look.colour,
        hatch=look.hatch,
        edgecolor="white" if look.hatch else look.colour,
        linewidth=0,
        xerr=[[spread.middle - spread.low], [high - spread.middle]],
        error_kw={"linewidth": 0.8, "ecolor": "#222222"},
    )
    if spread.high == inf:
        axes.text(high, y, "  one or more not reached", va="center", size=6)


def line(axes: Axes, points: Sequence[tuple[float, Spread]], label: str) -> None:
    """Draw medians with their ranges; an open marker at the top if some seed did not reach it."""
    look = look_of(label)
    reached = [(x, spread) for x, spread in points if spread.reached]
    middles = [spread.middle for _, spread in reached]
    highs = [s.high if s.high < inf else s.middle for _, s in reached]
    axes.errorbar(
        [x for x, _ in reached],
        middles,
        yerr=[
            [spread.middle - spread.low for _, spread in reached],
            [high - middle for high, middle in zip(highs, middles, strict=True)],
        ],
        color=look.colour,
        marker=look.marker,
        linestyle=look.line,
        elinewidth=0.8,
        label=label,
    )
    unreached = [x for x, spread in points if spread.high == inf]
    if not unreached:
        return
    axes.plot(
        unreached,
        [1.0] * len(unreached),
        color=look.colour,
        marker=look.marker,
        linestyle="",
        fillstyle="none",
        label=f"{label}: not reached",
        clip_on=False,
        transform=axes.get_xaxis_transform(),
    )


def patches(labels: Sequence[str]) -> list[Patch]:
    """The legend entries for bars with these labels."""
    return [
        Patch(
            facecolor=look_of(label).colour,
            hatch=look_of(label).hatch,
            edgecolor="white",
            linewidth=0,
            label=label,
        )
        for label in labels
    ]


def compared_bars(results: Sequence[Result], axis: str, share_x: bool = True) -> Figure:
    """Draw one panel per column, with a group per place on the axis and a bar per scheme."""
    columns, labels, places = columns_of(results), labels_of(results), places_of(results)
    figure, axes = panels(len(columns), share_x=share_x, share_y=True)
    for panel, column in zip(axes, columns, strict=True):
        series = {label: [_time(results, label, at, column) for at in places] for label in labels}
        bars(panel, [place_text(at) for at in places], series)
        panel.set_title(column)
        panel.set_xlabel("time to target (s)")
    axes[0].set_ylabel(axis)
    legend_below(figure, patches(labels))
    return figure


def compared_lines(results: Sequence[Result], axis: str) -> Figure:
    """Draw one panel per column: each scheme's time to target over the axis."""
    columns, labels, places = columns_of(results), labels_of(results), places_of(results)
    figure, axes = panels(len(columns), share_y=True)
    for panel, column in zip(axes, columns, strict=True):
        for label in labels:
            points = [(float(at), _time(results, label, at, column)) for at in places]
            line(panel, points, label)
        panel.set_title(column)
        panel.set_xlabel(axis)
        panel.set_xticks([float(at) for at in places])
    axes[0].set_yscale("log")
    axes[0].set_ylabel("time to target (s)")
    legend_below(figure, line_handles(axes))
    return figure


def _time(results: Sequence[Result], label: str, at: At, column: str) -> Spread:
    result = find(results, label, at)
    return result.time_s(column) if result else Spread.of([])
