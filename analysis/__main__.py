"""`python -m adsp_mpi.analysis VERB`: tables from traces, and the paper's comparisons."""

import argparse
import sys
from pathlib import Path

from adsp_mpi.analysis.compare import compare
from adsp_mpi.analysis.experiments import EXPERIMENTS
from adsp_mpi.analysis.experiments.paper import paper
from adsp_mpi.analysis.fidelity import fidelity

from adsp_mpi.errors import AdspError
from adsp_mpi.trace.merge import merge_parts


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="adsp_mpi.analysis",
        description="Tables from traces, and the paper's comparisons in virtual time.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("compare", help="one line per synchronization model, soonest first")
    verb.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")
    verb.add_argument("--target-loss", type=float, help="default: each run's own")
    verb.add_argument("--json", action="store_true", help="every run's figures as JSON")
    verb = verbs.add_parser("fidelity", help="real runs beside simulated ones of the same settings")
    verb.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder or its trace.h5")
    verb = verbs.add_parser("merge", help="make one trace.h5 of the parts of a killed run")
    verb.add_argument("folder", type=Path)
    verb = verbs.add_parser("paper", help="repeat the paper's comparisons in virtual time")
    verb.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(EXPERIMENTS)}; or all")
    verb.add_argument("--out", type=Path, required=True, help="folder of the tables and figures")
    verb.add_argument("--jobs", type=int, default=2, help="runs at a time; 0: in this process")
    verb.add_argument("--seeds", type=int, default=3, help="runs of each case")
    return parser


def main() -> None:
    options = make_parser().parse_args()
    try:
        if options.verb == "compare":
            print(compare(options.runs, options.target_loss, options.json))
        elif options.verb == "fidelity":
            print(fidelity(options.runs))
        elif options.verb == "paper":
            paper(options.names, options.out, options.jobs, options.seeds)
        else:
            path, left_out = merge_parts(options.folder)
            print("\n".join([*(f"left out: {text}" for text in left_out), str(path)]))
    except AdspError as error:
        print(f"adsp_mpi: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
