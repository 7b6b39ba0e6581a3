"""The tables of an experiment, worked out by hand."""

import pytest

pytest.importorskip("matplotlib")

from adsp_mpi.analysis.experiments.examples import speedup
from adsp_mpi.analysis.experiments.outcome import Outcome
from adsp_mpi.analysis.experiments.result import OWN_BEST, PAPERS_VALUES, At, Case, Result
from adsp_mpi.analysis.experiments.tables import csv_text, reductions_table, times_table
from adsp_mpi.analysis.spread import Spread
from adsp_mpi.config import Config


def result(label: str, at: At, papers: list[float | None], best: list[float | None]) -> Result:
    columns = {
        name: [Outcome(seed=seed, time_to_target_s=t) for seed, t in enumerate(times, 1)]
        for name, times in ((PAPERS_VALUES, papers), (OWN_BEST, best))
    }
    return Result(Case(label, Config(), at), columns, "eta' 0.2" if best else "")


def test_how_much_sooner_all_machines_are_there_than_one() -> None:
    results = [
        result("alone", "gan", [10.0, 12.0, 14.0], []),
        result("adsp", "gan", [6.0, 8.0, 24.0], []),
        result("asp", "gan", [6.0, 8.0, None], []),
        result("bsp", "gan", [40.0, None, None], []),
    ]
    assert speedup(results, "adsp", "gan") == Spread(1.5, 0.5, 2.0)
    assert speedup(results, "asp", "gan") == Spread(1.5, 0.0, 2.0)
    assert not speedup(results, "bsp", "gan").reached
    assert not speedup(results, "adsp", "flights").reached


def test_tables_by_hand() -> None:
    results = [
        result("adsp", 2.0, [100.0, 80.0, 120.0], [60.0, 60.0, 60.0]),
        result("bsp", 2.0, [400.0, 500.0, 600.0], [50.0, 40.0, 30.0]),
        result("ssp", 2.0, [400.0, None, None], []),
    ]
    assert times_table(results, "H").rows == [
        ["2", "adsp", "100 (80 to 120)", "60", "eta' 0.2"],
        ["2", "bsp", "500 (400 to 600)", "40 (30 to 50)", "eta' 0.2"],
        ["2", "ssp", "not reached (400 to not reached)", "not reached", ""],
    ]
    table = reductions_table(results, "H", {("bsp", 2.0): 80})
    assert table.header[-1] == "adsp in the paper"
    assert table.rows == [
        ["2", "bsp", "80", "-50", "80"],
        ["2", "ssp", "ssp did not reach it", "ssp did not reach it", ""],
    ]
    lines = csv_text(results).splitlines()
    assert len(lines) == 1 + 3 + 3 + 3 + 3 + 3
    assert lines[1].startswith("adsp,2,paper's values,,1,")
