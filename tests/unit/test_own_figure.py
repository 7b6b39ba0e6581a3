"""A figure of a user's own: a new file in the folder of figures."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from adsp_mpi.analysis import figures
from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.figures import FIGURES
from tests.unit.made_run import searching_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return searching_run().write(tmp_path / "run")


OWN_FIGURE = """
from adsp_mpi.analysis.series.figure import Figure
from adsp_mpi.analysis.series.limits import label_places
from adsp_mpi.analysis.series.panel import Axis, Line, Panel, time_axis


def of_run(trace):
    rows = trace.worker_rows(0, "steps", ("start_s", "loss"))
    line = Line("worker 0", rows["start_s"], rows["loss"])
    return [Panel((time_axis(trace.end_s),), (Axis("loss of a mini-batch"),), (line,))]


FIGURE = Figure("Losses of mini-batches", of_run=of_run)
"""


def test_a_new_file_in_the_folder_is_a_figure_of_plot_and_of_the_report(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "minibatches.py").write_text(OWN_FIGURE)
    monkeypatch.setattr(figures, "__path__", [*figures.__path__, str(tmp_path)])
    monkeypatch.setitem(FIGURES, "minibatches", figures.find_figures()["minibatches"])
    out = tmp_path / "a.svg"
    main(["plot", str(folder), "--figure", "minibatches", "-o", str(out)])
    main(["report", str(folder), "-o", str(tmp_path / "a.html")])
    assert "loss of a mini-batch" in out.read_text()
    page = (tmp_path / "a.html").read_text()
    assert 'data-plot="run-1-minibatches-0"' in page
    assert '"title":"Losses of mini-batches"' in page and '"label":"loss of a mini-batch"' in page
