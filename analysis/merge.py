"""`merge DIR`: makes one trace.h5 of the parts that a killed run leaves."""

import argparse
import math
from pathlib import Path

from adsp_mpi.analysis.parts import age_of
from adsp_mpi.errors import AdspError
from adsp_mpi.trace.merge import merge_parts
from adsp_mpi.trace.part_log import part_paths

HELP = "make the trace.h5 of a killed run from its parts"

QUIET_S = 10.0
"""Parts written to more recently than this may belong to a run that still goes on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="the run's folder")
    parser.add_argument("--force", action="store_true", help="though a part was just written")


def run(options: argparse.Namespace) -> None:
    """Merge; AdspError if the run may still go on, as merging deletes its parts."""
    age_s = min(map(age_of, part_paths(options.folder)), default=math.inf)
    if age_s < QUIET_S and not options.force:
        raise AdspError(
            f"{options.folder}: a part was written {age_s:.0f} s ago; if the run is "
            f"over, wait {QUIET_S:.0f} s or give --force"
        )
    path, left_out = merge_parts(options.folder)
    print("\n".join([*(f"left out: {text}" for text in left_out), str(path)]))
