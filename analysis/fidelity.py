"""`fidelity RUN...`: real runs beside simulated ones of the same settings."""

import argparse
import json
import math
from statistics import median
from typing import Sequence

from adsp_mpi.analysis.compare import markdown_table, spread, times
from adsp_mpi.analysis.metrics import RunMetrics, run_metrics
from adsp_mpi.errors import AdspError

HELP = "real runs beside simulated ones of the same settings"
HEADER = ("model", "speeds", "seeds", "MPI: s to target", "simulated: s to target", "off by %")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")


def run(options: argparse.Namespace) -> None:
    print(fidelity(options.runs))


def fidelity(paths: Sequence[str]) -> str:
    """A Markdown table of the pairs: medians over the seeds, ranges in brackets.

    Raises AdspError where a setting was run on one of the two engines only.
    """
    groups: dict[str, dict[str, list[RunMetrics]]] = {}
    for run in (run_metrics(path) for path in paths):
        groups.setdefault(_work(run), {}).setdefault(run.engine, []).append(run)
    for engines in groups.values():
        if set(engines) != {"mpi", "sim"}:
            [runs] = engines.values()
            raise AdspError(f"{runs[0].path}: only run on one engine, {runs[0].engine}")
    return markdown_table(HEADER, [_row(**engines) for engines in groups.values()])


def _work(run: RunMetrics) -> str:
    """The settings without those that only the simulator has."""
    settings = json.loads(run.settings)
    return json.dumps({key: value for key, value in settings.items() if key != "simulate"})


def _row(mpi: list[RunMetrics], sim: list[RunMetrics]) -> list[str]:
    real, simulated = median(times(mpi)), median(times(sim))
    off = 100 * (simulated / real - 1) if math.isfinite(real + simulated) else math.nan
    seeds = sorted({run.seed for run in (*mpi, *sim)})
    first = mpi[0]
    return [
        first.model,
        first.hetero.rpartition("/")[2],
        ", ".join(map(str, seeds)),
        spread(times(mpi), 1),
        spread(times(sim), 1),
        "-" if math.isnan(off) else f"{round(off):+d}",
    ]
