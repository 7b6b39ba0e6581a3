"""Every figure as a file: in each format, with nothing outside its edges, and repeatable."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from matplotlib import rc_context

from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.draw.style import STYLE, write
from adsp_mpi.analysis.figures import FIGURES
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.errors import AdspError
from tests.unit.made_run import MadeRun, searching_run
from tests.unit.printed import printed

FIRST_BYTES = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return searching_run().write(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_in_every_format_twice_the_same(
    folder: Path, tmp_path: Path, name: str
) -> None:
    contents = []
    for attempt in range(2):
        paths = [tmp_path / f"{attempt}.{kind}" for kind in FIRST_BYTES]
        with RunTrace(folder) as trace:
            write(partial(printed, name, trace), paths)
        contents.append([path.read_bytes() for path in paths])
    for content, first_bytes in zip(contents[0], FIRST_BYTES.values(), strict=True):
        assert content.startswith(first_bytes)
    assert contents[0] == contents[1]


@pytest.mark.parametrize("kind", FIRST_BYTES)
def test_the_name_of_the_file_says_its_format(folder: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    main(["plot", str(folder), "--figure", "loss", "-o", str(path)])
    assert path.read_bytes().startswith(FIRST_BYTES[kind])


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("name", FIGURES)
def test_nothing_sticks_out_of_a_figure_and_axes_are_labelled(
    tmp_path: Path, name: str, number: int
) -> None:
    folders = [searching_run().write(tmp_path / f"20261122-13553{k}-adsp") for k in range(number)]
    with ExitStack() as stack, rc_context(STYLE):
        traces = [stack.enter_context(RunTrace(folder)) for folder in folders]
        figure = printed(name, *traces)
        figure.draw_without_rendering()
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 > -0.02 and box.y0 > -0.02
    assert box.x1 < width + 0.02 and box.y1 < height + 0.02
    assert any(axes.get_ylabel() or axes.get_yticklabels() for axes in figure.axes)
    assert any(axes.get_xlabel() or axes.get_xticklabels() for axes in figure.axes)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_that_does_not_apply_is_one_line(tmp_path: Path, name: str) -> None:
    folder = MadeRun([]).write(tmp_path / "empty")
    with RunTrace(folder) as trace, pytest.raises(AdspError, match="nothing to draw: ") as failed:
        printed(name, trace)
    assert "\n" not in str(failed.value)


def test_the_width_is_that_asked_for(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    main(["plot", str(folder), "--figure", "commits", "-o", str(path), "--width", "5"])
    assert 'width="360pt"' in path.read_text()
