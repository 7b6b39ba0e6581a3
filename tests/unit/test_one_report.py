"""One report of a run: from the board at its end, and later from the trace, it is the same."""

from dataclasses import fields
from pathlib import Path

import pytest

from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.core.report import Report, WorkerReport
from tests.unit.simulated import play, profile_of

ONLY_IN_THE_TRACE = {
    "path",
    "search_s",
    "tried",
    "evaluations",
    "evaluating_share",
    "momentum_by_theorem",
    "momentum_by_staleness",
    "max_staleness",
    "workers",
}
ONLY_OF_WORKERS_IN_THE_TRACE = {"host", "max_staleness"}
ONLY_OF_WORKERS_ON_THE_BOARD = {"late_share"}


@pytest.mark.parametrize("model", ["adsp", "bsp", "adacomm", "adsp-plus"])
def test_board_and_trace_make_the_same_report(tmp_path: Path, model: str) -> None:
    profile = profile_of([1.0, 1.5, 3.0], 0.25)
    run = play(tmp_path, model, profile, stop={"max_seconds": 300.0, "target_loss": 0.1})
    live, later = run.result.report, run_metrics(tmp_path)
    for name in {field.name for field in fields(Report)} - ONLY_IN_THE_TRACE:
        assert getattr(live, name) == pytest.approx(getattr(later, name), rel=1e-5), name
    left_out = ONLY_OF_WORKERS_IN_THE_TRACE | ONLY_OF_WORKERS_ON_THE_BOARD
    for own, told in zip(live.workers, later.workers, strict=True):
        for name in {field.name for field in fields(WorkerReport)} - left_out:
            assert getattr(own, name) == pytest.approx(getattr(told, name), rel=1e-5), name
