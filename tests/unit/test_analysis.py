"""Figures of a tiny trace made by hand."""

import json
from pathlib import Path

import pytest
from adsp_mpi.analysis.compare import compare, markdown_table
from adsp_mpi.analysis.fidelity import fidelity
from adsp_mpi.analysis.figures import run_figures

from adsp_mpi.config import Config
from adsp_mpi.errors import AdspError
from adsp_mpi.trace import schema
from adsp_mpi.trace.merge import merge_parts
from adsp_mpi.trace.writer import PartWriter


def make_run(folder: Path, seed: int = 1, late_s: float = 0.0, engine: str = "mpi") -> Path:
    """Two workers, 4 and 2 steps of 1 s; a trial of 5 s; at the target from second 20 on."""
    server = PartWriter(folder / "parts" / "rank-00000.h5", 0, 1e9)
    config = Config().with_values({"stop": {"target_loss": 0.5}, "run": {"seed": seed}}, "test")
    meta = {
        "engine": engine,
        "config": config.to_toml(),
        "seed": seed,
        "model": "adsp",
        "task": "t",
        "end_s": 40.0,
    }
    server.attributes("/", meta)
    server.add_table("ps/targets", schema.TARGETS)
    for time_s, phase in ((0.0, "trial"), (5.0, "train")):
        server.append("ps/targets", time_s, 1, 1, 1, 10, 1, 0, time_s, 0.1, phase)
    server.add_table("ps/evals", (*schema.EVALS, ("loss", "f8", "")))
    for k in range(15):
        trial, loss = k == 1, 0.1 if k == 1 or k >= 4 else 1.0
        server.append("ps/evals", 5.0 * k + late_s, 0.1, k, k, trial, loss)
    server.close()
    for worker, steps in enumerate((4, 2)):
        part = PartWriter(folder / "parts" / f"rank-{worker + 1:05d}.h5", worker + 1, 1e9)
        group = f"workers/{worker}"
        for name, columns in schema.WORKER_TABLES.items():
            part.add_table(f"{group}/{name}", columns)
        for k in range(steps):
            part.append(f"{group}/steps", float(k), 0.25, 4 / steps - 0.25, 1.0, 32, 1, 0)
        part.append(f"{group}/commits", 4.0, 5.0, 1, steps, worker, 0.25, 2_000_000, 1, 0)
        part.append(f"{group}/pulls", 6.0, 0.25, False, 1, 0)
        part.append(f"{group}/waits", 5.0, 0.5 * worker, "others", 1, 0)
        part.close()
    merge_parts(folder)
    return folder


def test_figures_by_hand(tmp_path: Path) -> None:
    figures = run_figures(make_run(tmp_path))
    assert (figures.steps, figures.commits, figures.sent_mb) == (6, 2, 4.0)
    assert figures.time_to_target_s == 20.0
    assert figures.time_to_target_authors_s == 65.0
    assert figures.trial_s == 5.0
    assert figures.staleness == 0.5
    assert figures.measured_h == pytest.approx((1 + 0.5) / 2 / 0.5)
    assert figures.waiting_share == pytest.approx((0 + 0.5 / 5) / 2)
    assert figures.committing_share == pytest.approx((0.5 / 4.5 + 0.5 / 5) / 2)
    assert run_figures(tmp_path, target_loss=0.01).time_to_target_s is None


def test_seeds_share_a_line_with_median_and_range(tmp_path: Path) -> None:
    runs = [str(make_run(tmp_path / str(k), seed=k, late_s=float(k))) for k in range(3)]
    lines = compare(runs, None, as_json=False).splitlines()
    assert len(lines) == 3
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[:6] == ["mpi", "adsp", "t", "none", "3", "21.0 (20.0 to 22.0)"]
    assert len(json.loads(compare(runs, None, as_json=True))) == 3


def test_an_unreached_target_comes_last(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    text = compare([str(tmp_path / "a")], 0.01, as_json=False)
    assert "not reached" in text


def test_fidelity_by_hand(tmp_path: Path) -> None:
    mpi = [str(make_run(tmp_path / f"mpi{k}", seed=k, late_s=float(k))) for k in range(3)]
    sim = [str(make_run(tmp_path / f"sim{k}", seed=k, late_s=4.15, engine="sim")) for k in (0, 1)]
    cells = [cell.strip() for cell in fidelity([*mpi, *sim]).splitlines()[2].split("|")[1:-1]]
    assert cells == ["adsp", "none", "0, 1, 2", "21.0 (20.0 to 22.0)", "24.1", "+15.0"]
    with pytest.raises(AdspError, match="only run on one engine, mpi"):
        fidelity(mpi)


def test_columns_line_up() -> None:
    lines = markdown_table(["a", "long"], [["wide cell", "x"]]).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_a_folder_without_a_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(AdspError, match="no such file"):
        compare([str(tmp_path)], None, as_json=False)
