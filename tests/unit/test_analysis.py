"""Numbers of a tiny trace made by hand."""

import json
import math
from pathlib import Path

import pytest

from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.compare import compare
from adsp_mpi.analysis.fidelity import fidelity
from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.analysis.spread import Spread
from adsp_mpi.errors import AdspError
from adsp_mpi.trace.part_writer import PartWriter
from tests.unit.made_run import make_run


def test_the_metrics_by_hand(tmp_path: Path) -> None:
    report = run_metrics(make_run(tmp_path))
    assert (report.steps, report.commits, report.sent_mb) == (6, 2, 4.0)
    assert report.time_to_target_s == 20.0
    assert report.time_to_target_authors_s == 65.0
    assert report.trial_s == 5.0
    assert report.staleness == 0.5
    assert report.measured_h == pytest.approx((1 + 0.5) / 2 / 0.5)
    assert report.waiting_share == pytest.approx((0 + 0.5 / 5) / 2)
    assert report.committing_share == pytest.approx((0.5 / 4.5 + 0.5 / 5) / 2)
    assert run_metrics(tmp_path, target_loss=0.01).time_to_target_s is None


def test_seeds_share_a_line_with_median_and_range(tmp_path: Path) -> None:
    runs = [str(make_run(tmp_path / str(k), seed=k, late_s=float(k))) for k in range(3)]
    lines = compare(runs, None, as_json=False).splitlines()
    assert len(lines) == 3
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[:7] == ["adsp", "mpi", "t", "2", "none", "3", "21.0 (20.0 to 22.0)"]
    assert len(json.loads(compare(runs, None, as_json=True))) == 3


def test_on_a_terminal_a_comparison_fits(tmp_path: Path) -> None:
    runs = [
        str(make_run(tmp_path / f"{scheme}{k}", scheme=scheme, seed=k, late_s=float(k)))
        for scheme in ("adsp", "batchtune-fixed-adacomm")
        for k in range(3)
    ]
    lines = compare(runs, None, as_json=False, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["engine", "mpi"] and lines[2].split() == ["workers", "2"]
    assert sum("21.0 (20.0 to 22.0)" in line for line in lines) == 2


def test_an_unreached_target_comes_last(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    text = compare([str(tmp_path / "a")], 0.01, as_json=False)
    assert "not reached" in text


def test_fidelity_by_hand(tmp_path: Path) -> None:
    mpi = [str(make_run(tmp_path / f"mpi{k}", seed=k, late_s=float(k))) for k in range(3)]
    sim = [str(make_run(tmp_path / f"sim{k}", seed=k, late_s=4.15, engine="sim")) for k in (0, 1)]
    cells = [cell.strip() for cell in fidelity([*mpi, *sim]).splitlines()[2].split("|")[1:-1]]
    assert cells == ["adsp", "none", "0, 1, 2", "21.0 (20.0 to 22.0)", "24.1", "+15"]
    with pytest.raises(AdspError, match="only run on one engine, mpi"):
        fidelity(mpi)


def test_a_spread_is_its_median_and_its_range() -> None:
    assert Spread.of([1.0, 3.0, 2.0]).text(1) == "2.0 (1.0 to 3.0)"
    assert Spread.of([2.0, 2.0]).text(0) == "2"
    assert Spread.of([2.0, None, 3.0]).text(0) == "3 (2 to not reached)"
    assert Spread.of([]).text(0) == "not reached"
    assert Spread.of([1.0, math.nan]).text(0) == "-"


def test_a_folder_without_a_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(AdspError, match="no such file"):
        compare([str(tmp_path)], None, as_json=False)


def test_parts_that_may_still_be_written_are_not_merged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = PartWriter(tmp_path / "parts" / "rank-00000.part", 0, 1e9)
    part.close()
    with pytest.raises(SystemExit) as end:
        main(["merge", str(tmp_path)])
    assert end.value.code == 1 and "give --force" in capsys.readouterr().err
    main(["merge", str(tmp_path), "--force"])
    assert (tmp_path / "trace.h5").exists()
