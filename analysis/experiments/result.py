"""The cases of an experiment and their results."""

from dataclasses import dataclass
from typing import Callable, Sequence

from adsp_mpi.analysis.experiments.outcome import Outcome
from adsp_mpi.analysis.spread import Spread
from adsp_mpi.config import Config

PAPERS_VALUES = "paper's values"
OWN_BEST = "own best"
"""The two columns of every comparison: the paper's hyper-parameters, and each scheme tuned."""

At = float | str


@dataclass(frozen=True)
class Case:
    """A scheme, named as in `setting.SYNC`, at a place on the experiment's axis."""

    label: str
    config: Config
    at: At = ""
    tuned: bool = True
    raced: Config | None = None
    """The setting in which its own best is looked for; None: its own."""


@dataclass(frozen=True)
class Result:
    """A case with one outcome per seed in each of its columns.

    `choice` describes its own best. If nothing on the grid reached the target, it is empty, and
    that column has no outcomes.
    """

    case: Case
    columns: dict[str, list[Outcome]]
    choice: str = ""

    def spread(self, column: str, number: Callable[[Outcome], float | None]) -> Spread:
        """The spread of a number over a column's runs; a failed run has no number."""
        outcomes = self.columns.get(column, [])
        return Spread.of(None if run.failed else number(run) for run in outcomes)

    def time_s(self, column: str) -> Spread:
        return self.spread(column, lambda outcome: outcome.time_to_target_s)


def columns_of(results: Sequence[Result]) -> list[str]:
    """The columns that any of the results has."""
    return [c for c in (PAPERS_VALUES, OWN_BEST) if any(c in r.columns for r in results)]


def places_of(results: Sequence[Result]) -> list[At]:
    """The places on the axis, in the order of the cases."""
    return list(dict.fromkeys(result.case.at for result in results))


def labels_of(results: Sequence[Result]) -> list[str]:
    """The schemes, in the order of the cases."""
    return list(dict.fromkeys(result.case.label for result in results))


def find(results: Sequence[Result], label: str, at: At) -> Result | None:
    """The result of a scheme at a place on the axis."""
    return next((r for r in results if (r.case.label, r.case.at) == (label, at)), None)
