"""The speed-up over the fastest worker, worked by hand and as a property."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.analysis.compare import compare
from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.core.speedup import speedup_limit
from adsp_mpi.screen import report_lines
from tests.unit.made_run import make_run, searching_run
from tests.unit.simulated import play, profile_of


def test_workers_that_wait_half_the_time_count_half() -> None:
    assert speedup_limit([100, 50], [10, 5], seconds=10) == pytest.approx(1.5)
    assert speedup_limit([50, 50], [10, 5], seconds=10) == pytest.approx(1.0)
    assert speedup_limit([0, 0], [0, 0], 10) is speedup_limit([], [], 0) is None


@given(st.lists(st.floats(0.1, 1000), min_size=1, max_size=20), st.floats(1, 100))
def test_without_waiting_it_is_the_sum_of_speeds_in_units_of_the_fastest(
    rates: list[float], seconds: float
) -> None:
    limit = speedup_limit([rate * seconds for rate in rates], rates, seconds)
    assert limit == pytest.approx(sum(rates) / max(rates))
    assert 1 - 1e-9 <= limit <= len(rates) + 1e-9


def test_the_run_and_its_summary_have_the_same_number(tmp_path: Path) -> None:
    played = play(tmp_path, "asp", profile_of([0.1, 0.2, 0.4]))
    at_end, later = played.result.report, run_metrics(tmp_path)
    assert at_end.speedup_limit == pytest.approx(later.speedup_limit, rel=1e-6)
    assert at_end.fastest == later.fastest == 0
    assert at_end.speedup_limit == pytest.approx(1 + 1 / 2 + 1 / 4, rel=0.05)
    assert dict(report_lines(at_end))["speed-up"].startswith("at most 1.7")


def test_compare_shows_the_time_to_target_of_the_fastest_alone(tmp_path: Path) -> None:
    """Alone it is at the target after 20 s, or 25 s; the run compared with it after 20 s."""
    run = str(make_run(tmp_path / "a"))
    alone = run_metrics(make_run(tmp_path / "b", late_s=5.0))
    header, _, line = compare([run], None, as_json=False, alone=alone).splitlines()
    cells = dict(
        zip(*([cell.strip() for cell in row.split("|")] for row in (header, line)), strict=True)
    )
    assert cells["speed-up"] == "1.25"
    assert cells["of at most"] == f"{run_metrics(run).speedup_limit:.2f}"
    assert "speed-up" not in compare([run], None, as_json=False)
    never = run_metrics(searching_run().write(tmp_path / "c"), target_loss=0.001)
    assert "not reached alone" in compare([run], None, as_json=False, alone=never)
