"""`merge DIR`: the parts that a killed run leaves become one trace.h5."""

import argparse
from pathlib import Path

from adsp_mpi.trace.merge import merge_parts

HELP = "make one trace.h5 of the parts of a killed run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the run's folder")


def run(options: argparse.Namespace) -> None:
    path, left_out = merge_parts(options.folder)
    print("\n".join([*(f"left out: {text}" for text in left_out), str(path)]))
