"""The verbs of `python -m adsp_mpi.analysis`. A new one is a module and a line below.

A verb's module has `HELP`, one line; `add_arguments(parser)`; and `run(options)`, which prints to
stdout or writes files, and raises AdspError if it fails.
"""

import argparse
from importlib import import_module
from typing import Iterable, Protocol, cast

VERBS = {
    "compare": "adsp_mpi.analysis.compare",
    "export": "adsp_mpi.analysis.export",
    "fidelity": "adsp_mpi.analysis.fidelity",
    "merge": "adsp_mpi.analysis.merge",
    "paper": "adsp_mpi.analysis.experiments.paper",
    "plot": "adsp_mpi.analysis.plot",
    "report": "adsp_mpi.analysis.report",
    "summary": "adsp_mpi.analysis.summary",
    "timeline": "adsp_mpi.analysis.timeline",
    "watch": "adsp_mpi.analysis.watch",
}


class Verb(Protocol):
    """The interface of a verb's module."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's own arguments to `parser`."""

    def run(self, options: argparse.Namespace) -> None:
        """Run the verb; raises AdspError or OSError if it fails."""


def load_verb(name: str) -> Verb:
    """Import the module of a name in `VERBS`."""
    return cast(Verb, import_module(VERBS[name]))


def make_parser(names: Iterable[str]) -> argparse.ArgumentParser:
    """A parser for the verbs of these names; only their modules are imported."""
    parser = argparse.ArgumentParser(
        prog="python -m adsp_mpi.analysis",
        description="Tables and figures from traces; the paper's comparisons in virtual time.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, title="verbs", metavar="VERB")
    for name in names:
        verb = load_verb(name)
        own = verbs.add_parser(name, help=verb.HELP, description=verb.HELP)
        verb.add_arguments(own)
        own.set_defaults(run=verb.run)
    return parser
