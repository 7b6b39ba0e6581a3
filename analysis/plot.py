"""`plot RUN... --figure NAME -o FILE`: a picture of one or more runs."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from adsp_mpi.analysis.figures import PLOTS, load_plot
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.errors import UsageError

HELP = "draw a figure of one or more runs, for print"

KINDS = (".png", ".pdf", ".svg")
MIN_INCHES, MAX_INCHES = 2.0, 40.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")
    names = ", ".join(PLOTS)
    parser.add_argument("--figure", required=True, metavar="NAME", help=f"one of {names}")
    out = "the picture; .png, .pdf or .svg"
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help=out)
    width = "default: that of a column or of a page"
    parser.add_argument("--width", type=float, metavar="INCHES", help=width)
    window = "default: where single steps can be seen"
    parser.add_argument("--from-s", type=float, metavar="S", help=f"timeline only; {window}")
    parser.add_argument("--to-s", type=float, metavar="S", help="timeline only")


def run(options: argparse.Namespace) -> None:
    _check(options)
    plot = load_plot(options.figure)
    if (options.from_s, options.to_s) != (None, None) and not plot.takes_window:
        raise UsageError(f"--from-s and --to-s are not for --figure {options.figure}")
    from adsp_mpi.analysis.draw.runs import View
    from adsp_mpi.analysis.draw.style import write

    view = View(options.width, options.from_s, options.to_s)
    with ExitStack() as stack:
        traces = [stack.enter_context(RunTrace(path)) for path in options.runs]
        write(lambda: plot.draw(traces, view), [options.out])
    print(options.out)


def _check(options: argparse.Namespace) -> None:
    if options.out.suffix.lower() not in KINDS:
        raise UsageError(f"-o {options.out}: must end in {', '.join(KINDS)}")
    if options.width is not None and not MIN_INCHES <= options.width <= MAX_INCHES:
        raise UsageError(f"--width must be {MIN_INCHES:g} to {MAX_INCHES:g} inches")
