"""`export`: every table comes back as it was recorded."""

import csv
import json
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

from adsp_mpi.analysis import export as module
from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.export import export
from adsp_mpi.errors import AdspError
from adsp_mpi.trace import Trace
from tests.unit.simulated import play, profile_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three workers that commit, pull and wait."""
    return play(tmp_path_factory.mktemp("run"), "adacomm", profile_of([0.1, 0.2, 0.4])).folder


def read_csv(path: Path) -> dict[str, list[Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return {name: [row[k] for row in rows] for k, name in enumerate(header)}


def read_parquet(path: Path) -> dict[str, list[Any]]:
    return pytest.importorskip("pyarrow.parquet").read_table(path).to_pydict()


def assert_same(recorded: np.ndarray, read: list[Any]) -> None:
    if recorded.dtype.kind in "SO":
        assert [text.decode() for text in recorded] == read
    else:
        assert np.array_equal(recorded, np.array(read, recorded.dtype), equal_nan=True)


@pytest.mark.parametrize(("to", "read"), [("csv", read_csv), ("parquet", read_parquet)])
def test_every_number_comes_back(
    to: str,
    read: Callable[[Path], dict[str, list[Any]]],
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if to == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    written = export(run, to, tmp_path / "out")
    assert sorted(written) == sorted((tmp_path / "out").iterdir())
    units = json.loads((tmp_path / "out/columns.json").read_text())
    with Trace(run) as trace:
        for path in trace.tables:
            group, _, rest = path.partition("/")
            worker, _, name = rest.partition("/")
            name = (
                f"workers_{name}.{to}" if group == "workers" else f"{path.replace('/', '_')}.{to}"
            )
            columns = read(tmp_path / "out" / name)
            assert list(units[name]) == list(columns)
            rows = trace.table(path)
            for column in rows.dtype.names:
                values = columns[column]
                if group == "workers":
                    own = zip(values, columns["worker"], strict=True)
                    values = [value for value, of in own if str(of) == worker]
                assert_same(rows[column], values)
    assert units[f"workers_steps.{to}"]["compute_s"] == "s of computing"


def test_the_run_itself_is_told_beside_its_tables(run: Path, tmp_path: Path) -> None:
    export(run, "csv", tmp_path)
    told = json.loads((tmp_path / "run.json").read_text())
    assert told["model"] == "adacomm" and "[sync]" in told["config"]
    assert told["workers"]["2"]["host"] == "simulated"


def test_files_go_into_the_run_unless_told_otherwise(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", str(run), "--to", "csv"])
    assert (run / "export" / "ps_evals.csv").is_file()
    assert str(run / "export" / "ps_evals.csv") in capsys.readouterr().out.splitlines()


def test_parquet_without_pyarrow_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adsp_mpi.analysis.extras.find_spec", lambda name: None)
    with pytest.raises(AdspError, match=r"pip install 'adsp-mpi\[analysis\]'"):
        export(run, "parquet")
