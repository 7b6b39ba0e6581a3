"""`plot RUN... --figure NAME -o FILE`: draws a figure of one or more runs."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from adsp_mpi.analysis.extras import require
from adsp_mpi.analysis.figures import FIGURES, load_figure
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.figure import NothingToDraw
from adsp_mpi.analysis.series.runs import run_labels
from adsp_mpi.errors import UsageError

HELP = "draw a figure of one or more runs: PNG, PDF or SVG"

KINDS = (".png", ".pdf", ".svg")
MIN_INCHES, MAX_INCHES = 2.0, 40.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")
    names = ", ".join(FIGURES)
    parser.add_argument("--figure", required=True, metavar="NAME", help=f"one of {names}")
    out = "the picture; .png, .pdf or .svg"
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help=out)
    width = "default: that of a column or of a page"
    parser.add_argument("--width", type=float, metavar="INCHES", help=width)
    x = "loss only: time_s, steps or landed along the horizontal axis; again: a panel for each"
    parser.add_argument("--x", action="append", default=[], metavar="NAME", help=x)
    window = "default: where single steps can be seen"
    parser.add_argument("--from-s", type=float, metavar="S", help=f"timeline only; {window}")
    parser.add_argument("--to-s", type=float, metavar="S", help="timeline only")


def run(options: argparse.Namespace) -> None:
    _check(options)
    figure = load_figure(options.figure)
    if (options.from_s, options.to_s) != (None, None) and not figure.of_windows:
        raise UsageError(f"--from-s and --to-s are not for --figure {options.figure}")
    if options.x and (figure.of_run or not figure.of_runs):
        raise UsageError(f"--x is not for --figure {options.figure}")
    require("matplotlib", "the figures need")
    from adsp_mpi.analysis.draw.layout import View, draw
    from adsp_mpi.analysis.draw.style import write

    view = View(options.width, options.from_s, options.to_s, options.x)
    left_out: list[NothingToDraw] = []
    with ExitStack() as stack:
        traces = [stack.enter_context(RunTrace(path)) for path in options.runs]
        runs = dict(zip(run_labels(traces), traces, strict=True))

        def drawn() -> Any:
            picture, missing = draw(figure, runs, view)
            left_out.extend(missing)
            return picture

        write(drawn, [options.out])
    if left_out:
        told = "; ".join(f"{one.trace.path}: {one.missing}" for one in left_out)
        print(f"adsp_mpi: left out: {told}", file=sys.stderr)
    print(options.out)


def _check(options: argparse.Namespace) -> None:
    if options.out.suffix.lower() not in KINDS:
        raise UsageError(f"-o {options.out}: must end in {', '.join(KINDS)}")
    if options.width is not None and not MIN_INCHES <= options.width <= MAX_INCHES:
        raise UsageError(f"--width must be {MIN_INCHES:g} to {MAX_INCHES:g} inches")
