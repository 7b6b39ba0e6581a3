"""`fidelity RUN...`: real runs beside simulated ones of the same settings."""

import argparse
import json
from typing import Sequence

from adsp_mpi.analysis.compare import times
from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.core.report import Report
from adsp_mpi.errors import AdspError
from adsp_mpi.tables import Table

HELP = "compare real runs with simulated ones of the same settings"
HEADER = ("scheme", "speeds", "seeds", "MPI: s to target", "simulated: s to target", "off by %")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")


def run(options: argparse.Namespace) -> None:
    print(fidelity(options.runs))


def fidelity(paths: Sequence[str]) -> str:
    """The pairs as a Markdown table: medians over the seeds, with ranges in brackets.

    Raises AdspError if a setting was run on only one of the two engines.
    """
    groups: dict[str, dict[str, list[Report]]] = {}
    for run in (run_metrics(path) for path in paths):
        groups.setdefault(_work(run), {}).setdefault(run.engine, []).append(run)
    for engines in groups.values():
        if set(engines) != {"mpi", "sim"}:
            [runs] = engines.values()
            raise AdspError(f"{runs[0].path}: only run on one engine, {runs[0].engine}")
    return Table(HEADER, [_row(**engines) for engines in groups.values()]).markdown()


def _work(run: Report) -> str:
    """The settings without those that only the simulator has."""
    settings = json.loads(run.settings)
    return json.dumps({key: value for key, value in settings.items() if key != "simulate"})


def _row(mpi: list[Report], sim: list[Report]) -> list[str]:
    real, simulated = times(mpi), times(sim)
    both = real.reached and simulated.reached
    off = f"{round(100 * (simulated.middle / real.middle - 1)):+d}" if both else "-"
    seeds = sorted({run.seed for run in (*mpi, *sim)})
    first = mpi[0]
    return [
        first.model,
        first.hetero.rpartition("/")[2],
        ", ".join(map(str, seeds)),
        real.text(1),
        simulated.text(1),
        off,
    ]
