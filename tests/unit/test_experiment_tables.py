"""The tables of an experiment, worked out by hand."""

from adsp_mpi.analysis.experiments.outcome import Outcome
from adsp_mpi.analysis.experiments.result import OWN_BEST, PAPERS_VALUES, Case, Result
from adsp_mpi.analysis.experiments.tables import csv_text, reductions_table, times_table
from adsp_mpi.config import Config


def result(label: str, at: float, papers: list[float | None], best: list[float | None]) -> Result:
    columns = {
        name: [Outcome(seed=seed, time_to_target_s=t) for seed, t in enumerate(times, 1)]
        for name, times in ((PAPERS_VALUES, papers), (OWN_BEST, best))
    }
    return Result(Case(label, Config(), at), columns, "eta' 0.2" if best else "")


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
