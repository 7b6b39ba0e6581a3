"""The page of `report` as text: its content, what it leaves out, and that it runs no input."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from adsp_mpi.analysis import summary
from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.analysis.page.tables import table
from adsp_mpi.analysis.report import json_for_html
from adsp_mpi.analysis.series.thin import kept, numbers, times
from adsp_mpi.trace import schema
from adsp_mpi.trace.memory_writer import write_table
from tests.unit.simulated import play, profile_of

HOSTILE = "</script><script>hacked=1</script><img src=x onerror=hacked=1>\"'&"


class Cells(HTMLParser):
    """The text of all table cells, row by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self._in_cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell &= tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def simulated(folder: Path, model: str, step_times_s: list[float]) -> Path:
    folder.mkdir(parents=True)
    return play(folder, model, profile_of(step_times_s)).folder


def report(folder: Path, *runs: Path) -> str:
    page = folder / "report.html"
    main(["report", *map(str, runs), "-o", str(page)])
    return page.read_text()


def data_of(page: str) -> dict[str, Any]:
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(text)


def make_hostile(folder: Path) -> Path:
    """A run with a script in every text that a user can choose."""
    run = simulated(folder / "<script>hacked=1<" / "script>", "adsp", [0.1, 0.2])
    with h5py.File(run / "trace.h5", "r+") as file:
        file.attrs["task"] = file.attrs["model"] = file.attrs["reason"] = HOSTILE
        file.attrs["config"] = file.attrs["config"].replace('"quadratic"', f"'''{HOSTILE}'''")
        file["workers/0"].attrs["host"] = HOSTILE
        columns = schema.float_columns(["time_s", HOSTILE])
        write_table(file, "ps/<script>hacked=1", columns, np.ones(2, schema.numpy_dtype(columns)))
        events = np.array([(1.0, 0, "error", HOSTILE)], schema.numpy_dtype(schema.EVENTS))
        del file["events"]
        write_table(file, "events", schema.EVENTS, events)
    return run


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [simulated(folder / model, model, [0.1, 0.2, 0.4]) for model in ("adsp", "adacomm")]


def test_the_tables_hold_the_numbers_of_runs(tmp_path: Path, two_runs: list[Path]) -> None:
    page = report(tmp_path, *two_runs)
    rows = Cells(page).rows
    for number, run in enumerate(two_runs, start=1):
        of_run = run_metrics(run)
        line = next(row for row in rows if row[0].strip() == f"{number} {run.name}")
        header = next(row for row in rows if row[0] == "run")
        told = dict(zip(header, line, strict=True))
        assert told["steps"] == str(of_run.steps) and told["scheme"] == run.name
        assert told["last loss"] == f"{of_run.last_loss:.3f}"
        for worker in of_run.workers:
            cells = [text(worker) for text in summary.COLUMNS.values()]
            assert [str(worker.worker), worker.host, *cells] in rows
    differ = [row for row in rows if row[0].startswith("sync.")]
    assert ["sync.model", "adsp", "adacomm"] in differ
    assert not [row for row in rows if row[0] == "run.out"]


def test_every_plot_has_its_place_and_its_data(tmp_path: Path, two_runs: list[Path]) -> None:
    page = report(tmp_path, *two_runs)
    plots = data_of(page)
    assert sorted(re.findall(r'data-plot="([^"]+)"', page)) == sorted(plots)
    for name in ("breakdown", "commits", "heterogeneity", "staleness", "targets", "timeline"):
        assert f"run-1-{name}-0" in plots and f"run-2-{name}-0" in plots
    assert {"all-loss-0", "all-breakdown-0", "all-staleness-0", "run-1-search-0"} <= set(plots)
    with h5py.File(two_runs[0] / "trace.h5") as file:
        counts = [len(file[f"workers/{w}/commits"]) for w in range(3)]
    marks = plots["run-1-commits-0"]["marks"]
    assert [max(mark["columns"]["y"]) for mark in marks[:3]] == counts
    assert [mark["name"] for mark in marks[:3]] == [f"worker {w}" for w in range(3)]


def test_print_and_page_show_the_same_speeds(tmp_path: Path, two_runs: list[Path]) -> None:
    marks = data_of(report(tmp_path, two_runs[0]))["run-1-heterogeneity-0"]["marks"]
    metrics = run_metrics(two_runs[0])
    for mark, worker in zip(marks, metrics.workers, strict=True):
        speeds = [value for value in mark["columns"]["y"] if value is not None]
        assert speeds == pytest.approx([worker.speed] * len(speeds), rel=1e-3)


def test_the_target_that_is_asked_for_is_drawn(tmp_path: Path, two_runs: list[Path]) -> None:
    page = tmp_path / "a.html"
    main(["report", str(two_runs[0]), "-o", str(page), "--target-loss", "0.125"])
    [loss, *_] = data_of(page.read_text())["all-loss-0"]["ys"]
    assert loss["levels"] == [{"value": 0.125, "text": "target 0.125"}]


def test_the_page_fetches_nothing_and_runs_only_its_own_script(
    tmp_path: Path, two_runs: list[Path]
) -> None:
    page = report(tmp_path, two_runs[0])
    assert set(re.findall(r"\w+://[\w./]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"<link|<iframe|<img|@import|url\((?!#)", page)
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page


def test_what_users_write_stays_text(tmp_path: Path) -> None:
    page = report(tmp_path, make_hostile(tmp_path))
    assert page.count("<script") == 2 and page.count("</script>") == 2
    assert "<img" not in page and "&lt;script&gt;hacked=1" in page
    titles = [plot["title"] for plot in data_of(page).values()]
    assert any(title.endswith(f"<script>hacked=1: {HOSTILE}") for title in titles)
    assert json.loads(json_for_html(HOSTILE)) == HOSTILE
    assert HOSTILE not in table([HOSTILE], [[HOSTILE]])


def test_a_run_that_was_killed_before_its_first_evaluation_has_a_page(tmp_path: Path) -> None:
    run = simulated(tmp_path / "run", "adsp", [0.1, 0.2])
    with h5py.File(run / "trace.h5", "r+") as file:
        for name in ("end_s", "reason"):
            del file.attrs[name]
        for path in ("ps/evals", "ps/targets", "ps/search", "workers/1/commits"):
            file.pop(path, None)
    page = report(tmp_path, run)
    assert "Not drawn: loss (no run has it)" in page
    assert "rates (adsp gives its workers no commit target)" in page
    assert "run-1-staleness-0" in data_of(page)


@pytest.mark.parametrize("verb", ["report", "export", "watch"])
def test_errors_are_one_line(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("text", "foreign", "newer"):
        (tmp_path / name).mkdir()
    (tmp_path / "text/trace.h5").write_text("hello")
    h5py.File(tmp_path / "foreign/trace.h5", "w").close()
    with h5py.File(tmp_path / "newer/trace.h5", "w") as file:
        file.attrs["format"], file.attrs["version"] = schema.FORMAT, 99
    for name, message in [
        ("text", "not a readable HDF5 file"),
        ("foreign", "not a trace of adsp_mpi"),
        ("newer", "trace version 99"),
    ]:
        with pytest.raises(SystemExit) as end:
            main([verb, name, *(["--to", "csv"] if verb == "export" else [])])
        error = capsys.readouterr().err
        assert end.value.code == 1 and message in error and error.count("\n") == 1
    with pytest.raises(SystemExit) as end:
        main([verb])
    assert end.value.code == 2


def test_a_missing_folder_for_the_page_is_told_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report", "no-run", "-o", str(tmp_path / "nowhere" / "report.html")])
    assert end.value.code == 2 and "no such folder" in capsys.readouterr().err


def test_thinning_keeps_spikes_ends_and_order() -> None:
    x = np.linspace(0.0, 100.0, 100_000)
    y = np.sin(x)
    y[31_415], y[50_000], y[77_777] = 9.0, np.nan, -9.0
    rows = kept(x, [y], 500)
    assert {0, 31_415, 77_777, 99_999} <= set(rows) and 50_000 not in rows
    assert len(rows) <= 2 * 500 + 2 and (np.diff(rows) > 0).all()
    for low in range(0, 100_000, 10_000):
        own = rows[(rows >= low) & (rows < low + 10_000)]
        assert np.nanmax(y[low : low + 10_000]) == y[own].max()
    assert list(kept(x[:900], [y[:900]], 500)) == list(range(900))
    assert len(kept(x, [np.full(len(x), np.nan)], 500)) == 2
    assert len(kept(np.zeros(0), [np.zeros(0)], 500)) == 0


def test_thinned_dots_keep_the_median() -> None:
    y = np.tile([0.0, 5.0, 5.0, 5.0, 9.0], 2000)
    rows = kept(np.arange(10_000.0), [y], 100, middle=True)
    assert 290 <= len(rows) <= 302 and {0.0, 5.0, 9.0} == set(y[rows])


def test_numbers_keep_six_digits_and_what_is_not_finite_becomes_null() -> None:
    values = np.array([123456.789, 1.23456789e-9, 0.0, np.nan, -np.inf])
    assert numbers(values) == [123457.0, pytest.approx(1.23457e-9), 0.0, None, None]
    assert numbers(np.array([1, 2**40])) == [1, 2**40]
    assert times(np.array([1.23456789]), 99.0) == [1.2346]
    assert times(np.array([0.0]), 0.0) == [0.0]


def test_a_long_run_makes_a_small_page(tmp_path: Path) -> None:
    run = simulated(tmp_path / "run", "adsp", [0.1, 0.2])
    rows = np.zeros(300_000, schema.numpy_dtype(schema.COMMITS))
    rows["done_s"] = rows["begun_s"] = np.arange(len(rows)) * 1e-3
    rows["staleness"] = np.random.default_rng(0).integers(0, 1000, len(rows))
    with h5py.File(run / "trace.h5", "r+") as file:
        for worker in (0, 1):
            del file[f"workers/{worker}/commits"]
            write_table(file, f"workers/{worker}/commits", schema.COMMITS, rows)
    page = report(tmp_path, run)
    assert len(page) < 400_000 and "of 600,000 points" in page
