"""An experiment: its cases, its runs, and the table and figure made of their results."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.experiments.drawing import save
from adsp_mpi.analysis.experiments.result import OWN_BEST, PAPERS_VALUES, Case, Result
from adsp_mpi.analysis.experiments.runner import Plan, Runner
from adsp_mpi.analysis.experiments.setting import Setting
from adsp_mpi.analysis.experiments.tables import (
    Reductions,
    comparison,
    csv_text,
    notes,
)
from adsp_mpi.analysis.experiments.tuning import race
from adsp_mpi.tables import Table


@dataclass(frozen=True)
class Experiment:
    """Cases to run, and the tables and figure made of their results."""

    name: str
    title: str
    about: str
    cases: Callable[[Setting], list[Case]]
    draw: Callable[[Sequence[Result]], Figure]
    axis: str = ""
    """The name and unit of the cases' `at`; empty: no axis."""
    paper: Reductions = field(default_factory=dict)
    compares_times: bool = True
    own_tables: Callable[[Sequence[Result]], list[Table]] = lambda results: []
    most_seeds: int = 0
    """The number of seeds; 0: as many as the command line says."""
    measures_memory: bool = False

    def run(self, setting: Setting, seeds: Sequence[int], runner: Runner) -> list[Result]:
        seeds = seeds[: self.most_seeds or None]
        plans = [_plan(case, seeds) for case in self.cases(setting)]
        return runner.play(plans, self.measures_memory)

    def tables(self, results: Sequence[Result]) -> list[Table]:
        times = comparison(results, self.axis, self.paper) if self.compares_times else []
        return [*times, *self.own_tables(results)]

    def write(self, results: Sequence[Result], folder: Path) -> str:
        """Write table, CSV and figure into `folder`; returns the page in Markdown."""
        page = self.page(results)
        (folder / f"{self.name}.md").write_text(page)
        (folder / f"{self.name}.csv").write_text(csv_text(results))
        save(lambda: self.draw(results), folder, self.name)
        return page

    def page(self, results: Sequence[Result]) -> str:
        seeds = sorted({o.seed for r in results for runs in r.columns.values() for o in runs})
        spread = f"Median of the seeds {', '.join(map(str, seeds))}; in brackets the range."
        if len(seeds) == 1:
            spread = f"Seed {seeds[0]}."
        parts = [f"# {self.title}", self.about.strip(), spread]
        parts += [table.markdown() for table in self.tables(results)]
        parts += [f"- {note}" for note in notes(results)]
        parts.append(f"![{self.title}]({self.name}.png)")
        return "\n\n".join(parts) + "\n"


def _plan(case: Case, seeds: Sequence[int]) -> Plan[Result]:
    """The runs of a case for both columns."""
    configs = [case.config.with_values({"run": {"seed": seed}}, "seed") for seed in seeds]
    outcomes = yield configs
    columns = {PAPERS_VALUES: outcomes}
    if not case.tuned:
        return Result(case, columns)
    best = yield from race(case.raced or configs[0], seeds)
    if case.raced and best.choice:
        full_s = case.config.stop.max_seconds
        outcomes = yield [best.choice.apply(case.config, seed, full_s) for seed in seeds]
    else:
        outcomes = best.outcomes
    columns[OWN_BEST] = outcomes
    return Result(case, columns, str(best.choice or ""))
