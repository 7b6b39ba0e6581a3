"""`python -m adsp_mpi.analysis VERB`: tables from traces, without MPI."""

import argparse
import sys
from pathlib import Path

from adsp_mpi.analysis.compare import compare

from adsp_mpi.errors import AdspError
from adsp_mpi.trace.merge import merge_parts


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="adsp_mpi.analysis", description="Tables from traces.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("compare", help="one line per synchronization model, soonest first")
    verb.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")
    verb.add_argument("--target-loss", type=float, help="default: each run's own")
    verb.add_argument("--json", action="store_true", help="every run's figures as JSON")
    verb = verbs.add_parser("merge", help="make one trace.h5 of the parts of a killed run")
    verb.add_argument("folder", type=Path)
    return parser


def main() -> None:
    options = make_parser().parse_args()
    try:
        if options.verb == "compare":
            print(compare(options.runs, options.target_loss, options.json))
        else:
            path, left_out = merge_parts(options.folder)
            print("\n".join([*(f"left out: {text}" for text in left_out), str(path)]))
    except AdspError as error:
        print(f"adsp_mpi: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
