"""Figures of traces made by hand: the numbers drawn, their labels, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Sequence

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.colors import to_rgb

from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.draw.colours import SPARE_LOOKS, Colours, run_looks
from adsp_mpi.analysis.draw.layout import MAX_RUNS, View
from adsp_mpi.analysis.figures import load_figure
from adsp_mpi.analysis.figures.heterogeneity import speeds_over_time
from adsp_mpi.analysis.figures.rates import periods_of
from adsp_mpi.analysis.figures.timeline import (
    MAX_TRACKS,
    Window,
    default_length_s,
    merge_close,
    shown_workers,
    windows_of,
)
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.limits import label_places
from adsp_mpi.analysis.series.panel import OfWorker, Span
from adsp_mpi.analysis.series.runs import phase_spans, run_labels
from adsp_mpi.analysis.worker_metrics import worker_metrics
from adsp_mpi.errors import AdspError, UsageError
from tests.unit.made_run import MadeRun, MadeWorker, make_run, searching_run
from tests.unit.printed import printed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return searching_run().write(tmp_path / "run")


def steady(speeds: Sequence[float], seconds: float = 4.0) -> MadeRun:
    """Workers of these speeds that only step."""
    workers = [
        MadeWorker(steps=[(k / v, 1 / v, 0.0, 1.0, 32) for k in range(round(seconds * v))])
        for v in speeds
    ]
    return MadeRun(workers, facts={"end_s": seconds})


def test_bsp_has_no_search_and_no_rates(tmp_path: Path) -> None:
    run = replace(searching_run(), told={}, facts={"model": "bsp", "end_s": 10.0})
    run.targets = [(0.0, 1, 0, 0, 4, 1, 0, 0.0, float("nan"), "train")]
    with RunTrace(run.write(tmp_path)) as trace:
        with pytest.raises(AdspError, match="bsp recorded no search"):
            printed("search", trace)
        with pytest.raises(AdspError, match="bsp gives its workers no commit target"):
            printed("rates", trace)


def test_what_the_command_line_cannot_mean(folder: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "a.png")
    usual = ["plot", str(folder), "--figure", "loss", "-o", out]
    for wrong in (
        [*usual[:-1], str(tmp_path / "a.jpg")],
        [*usual, "--width", "0"],
        [*usual, "--width", "nan"],
        [*usual, "--from-s", "1"],
        [*usual, "--x", "lags"],
        ["plot", str(folder), "--figure", "commits", "--x", "steps", "-o", out],
        ["plot", str(folder), "--figure", "lost", "-o", out],
        ["plot", str(folder), "--figure", "timeline", "--from-s", "11", "-o", out],
        ["plot", str(folder), "--figure", "timeline", "--from-s", "3", "--to-s", "2", "-o", out],
        ["plot", *[str(folder)] * (MAX_RUNS + 1), "--figure", "commits", "-o", out],
        ["plot", *[str(folder)] * (MAX_RUNS + 1), "--figure", "timeline", "-o", out],
    ):
        with pytest.raises(SystemExit) as left:
            main(wrong)
        assert left.value.code == 2, wrong
    assert not Path(out).exists()


def test_a_folder_that_is_not_there_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["plot", str(folder), "--figure", "loss", "-o", str(tmp_path / "no/a.png")])
    assert left.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "no/a.png: No such file" in line


def test_a_missing_matplotlib_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("adsp_mpi.analysis.extras.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["plot", str(folder), "--figure", "loss", "-o", "a.png"])
    assert "pip install 'adsp-mpi[analysis]'" in capsys.readouterr().err


def test_a_figure_of_ones_own() -> None:
    own = load_figure("adsp_mpi.analysis.figures.loss:FIGURE")
    assert own is load_figure("loss")
    with pytest.raises(UsageError, match=r"there are: .*loss, "):
        load_figure("lost")


def test_the_loss_is_drawn_over_time_and_over_steps(folder: Path) -> None:
    with RunTrace(folder) as trace:
        figure = printed("loss", trace, view=View(xs=("time_s", "steps")))
        time_s, steps = trace.counted_evals["time_s"], trace.counted_evals["steps"]
    by_time, by_steps = figure.axes
    assert by_time.lines[0].get_xdata().tolist() == time_s.tolist()
    assert by_steps.lines[0].get_xdata().tolist() == steps.tolist()
    assert by_steps.get_xlabel() == "steps of all workers"


def test_labels_and_looks_tell_runs_apart(tmp_path: Path) -> None:
    adsp = searching_run().write(tmp_path / "one")
    again = searching_run().write(tmp_path / "two")
    other = searching_run().write(tmp_path / "other" / "one")
    bsp = replace(searching_run(), facts={"model": "bsp"}).write(tmp_path / "three")
    with RunTrace(adsp) as a, RunTrace(again) as b, RunTrace(bsp) as c:
        assert run_labels([a, c]) == ["adsp", "bsp"]
        with RunTrace(other) as d:
            assert run_labels([a, d]) == [f"{tmp_path.name}/one", "other/one"]
        assert run_labels([a, b, c]) == ["one", "two", "three"]
        assert run_labels([a, a]) == ["one (1)", "one (2)"]
    looks = run_looks(["adsp", "adsp", "bsp", "adsp", "bsp"])
    assert len({(look.colour, look.line) for look in looks}) == 5
    assert len(run_looks(["adsp"] * 40)) == 40 > len(SPARE_LOOKS)


def test_speeds_have_colours_from_dark_to_light(tmp_path: Path) -> None:
    with RunTrace(steady([1, 2, 4]).write(tmp_path / "a")) as trace:
        panels = load_figure("heterogeneity").of_run(trace)
    paints = [mark.paint for mark in panels[0].marks]
    assert paints == [OfWorker(0, 1.0), OfWorker(1, 2.0), OfWorker(2, 4.0)]
    colours = Colours.of(panels)
    brightness = [sum(to_rgb(colours.look(paint).colour)) for paint in paints]
    assert brightness == sorted(brightness)
    assert not colours.all_equally_fast
    with RunTrace(steady([2, 2]).write(tmp_path / "b")) as trace:
        assert Colours.of(load_figure("heterogeneity").of_run(trace)).all_equally_fast


def test_of_many_workers_some_have_a_label() -> None:
    assert label_places(["a", "b", "c"], 2) == [0, 1, 2]
    assert label_places([str(worker) for worker in range(300)], 12) == list(range(0, 300, 50))
    assert label_places([str(worker) for worker in range(12)], 12) == list(range(12))


def test_a_run_that_takes_pauses_is_as_fast_as_it_computes(tmp_path: Path) -> None:
    paused = MadeWorker(steps=[(4.0 * k, 0.25, 0.25, 1.0, 32) for k in range(4)])
    with RunTrace(MadeRun([paused], facts={"end_s": 16.0}).write(tmp_path)) as trace:
        assert trace.speeds == {0: 2.0}
        assert speeds_over_time(trace).speed.ravel().tolist() == [2.0]
        assert worker_metrics(trace, 0).speed == 2.0


def test_commits_due_and_done_by_hand(folder: Path) -> None:
    with RunTrace(folder) as trace:
        periods = periods_of(trace)
    assert (periods.from_s.tolist(), periods.to_s.tolist()) == ([0, 4], [4, 8])
    assert periods.due.tolist() == [[1, 1], [1, 1]]
    assert periods.done.tolist() == [[1, 1], [1, 1]]
    assert periods.ahead.tolist() == [[0, 0], [0, 0]]


def test_a_worker_behind_its_target_owes_more_in_the_next_period(tmp_path: Path) -> None:
    run = searching_run()
    run.workers[1].commits = [(6.0, 8.5, 1, 2, 3, 0.25, 1_000_000)]
    with RunTrace(run.write(tmp_path)) as trace:
        periods = periods_of(trace)
    assert periods.due.tolist() == [[1, 1], [1, 2]]
    assert periods.done.tolist() == [[1, 0], [1, 0]]
    assert periods.ahead.tolist() == [[0, -1], [0, -2]]


def test_heterogeneity_in_windows_by_hand(tmp_path: Path) -> None:
    slowing = MadeWorker(
        steps=[(0.25 * k, 0.125, 0.125, 1.0, 32) for k in range(16)]
        + [(4.0 + 0.5 * k, 0.5, 0.0, 1.0, 32) for k in range(8)]
    )
    run = steady([8.0], seconds=8.0)
    run.workers = [*run.workers, slowing]
    with RunTrace(run.write(tmp_path)) as trace:
        speeds = speeds_over_time(trace)
    assert speeds.window_s == pytest.approx(8 / 3)
    assert speeds.edges_s.tolist() == pytest.approx([0, 8 / 3, 16 / 3, 8])
    assert speeds.speed[:, 0].tolist() == pytest.approx([8, 8, 8])
    between = (5 + 3) / (5 * 0.25 + 3 * 0.5)
    assert speeds.speed[:, 1].tolist() == pytest.approx([4, between, 2])
    assert speeds.heterogeneity.tolist() == pytest.approx(
        [6 / 4, (8 + between) / 2 / between, 5 / 2]
    )


def test_searches_that_follow_each_other_are_one_span(folder: Path) -> None:
    with RunTrace(folder) as trace:
        assert phase_spans(trace) == (Span(0.0, 8.0, "search"),)


def test_close_spans_are_joined() -> None:
    starts, ends = np.array([0.0, 1.0, 2.5, 4.0]), np.array([1.0, 2.0, 3.0, 5.0])
    merged = merge_close(starts, ends, 0.5)
    assert [edges.tolist() for edges in merged] == [[0.0, 4.0], [3.0, 5.0]]
    assert [len(edges) for edges in merge_close(starts[:0], ends[:0], 0.5)] == [0, 0]


def test_the_usual_window_by_hand(tmp_path: Path) -> None:
    run = steady([10.0, 20.0], seconds=100.0)
    run.targets = [(10.0 * k, k, 1, 1, 10, 1, 0, 10.0 * k, 0.1, "train") for k in range(10)]
    with RunTrace(run.write(tmp_path / "a")) as trace:
        assert default_length_s(trace) == pytest.approx(12 * 0.1)
        [window] = windows_of([trace])
        assert (window.from_s, window.to_s) == pytest.approx((50 - 0.2 * 1.2, 50 + 0.8 * 1.2))
    for worker in run.workers:
        worker.commits = [(k, k, k, 1, 0, 0.0, 1) for k in range(100)]
    with RunTrace(run.write(tmp_path / "b")) as trace:
        assert default_length_s(trace) == pytest.approx(2.2)
    for worker in run.workers:
        worker.commits = [(20.0 * k, 20.0 * k, k, 1, 0, 0.0, 1) for k in range(5)]
    with RunTrace(run.write(tmp_path / "c")) as trace:
        assert default_length_s(trace) == pytest.approx(100 * 0.05)


def test_a_window_as_given(folder: Path) -> None:
    with RunTrace(folder) as trace:
        assert windows_of([trace], 2.0, 3.0) == [Window(2.0, 3.0)]
        assert windows_of([trace], None, 3.0) == [Window(0.0, 3.0)]
        assert windows_of([trace]) == [Window(0.0, 10.0)]


def test_the_title_says_what_is_shown(folder: Path, tmp_path: Path) -> None:
    with RunTrace(folder) as trace:
        figure = printed("timeline", trace, view=View(from_s=2.0, to_s=5.0))
    assert figure.axes[0].get_title() == "adsp: 2.00 s to 5.00 s of 10.0 s; every block a step"
    many = steady([10.0] * 30, seconds=40.0).write(tmp_path / "many")
    with RunTrace(many) as trace:
        assert len(shown_workers(trace)) == MAX_TRACKS
        figure = printed("timeline", trace, view=View(from_s=0.0, to_s=40.0))
    assert figure.axes[0].get_title() == (
        "adsp: 0.0 s to 40.0 s of 40.0 s; 24 of 30 workers; dense steps merged"
    )


def test_a_commit_that_the_window_cuts_has_not_landed(folder: Path) -> None:
    with RunTrace(folder) as trace:
        figure = printed("timeline", trace, view=View(from_s=2.0, to_s=7.5))
    landed = [c for c in figure.axes[0].collections if c.get_label() == "commit landed"]
    times_s = [segment[0][0] for lines in landed for segment in lines.get_segments()]
    assert times_s == [2.5, 7.0, 3.0]


def test_rounds_are_drawn_with_their_pulls(tmp_path: Path) -> None:
    with RunTrace(make_run(tmp_path)) as trace:
        figure = printed("timeline", trace)
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert {"steps", "commit in flight", "commit landed", "waiting", "pull"} <= set(labels)


def test_runs_that_have_nothing_to_draw_are_named_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bsp = replace(searching_run(), told={}, facts={"model": "bsp", "end_s": 10.0})
    without = [str(bsp.write(tmp_path / name)) for name in ("bsp-1", "bsp-2")]
    out = tmp_path / "a.svg"
    main(["plot", without[0], str(folder), without[1], "--figure", "search", "-o", str(out)])
    assert out.exists()
    [line] = capsys.readouterr().err.splitlines()
    assert all(f"{path}/trace.h5: bsp recorded no search" in line for path in without)
    assert str(folder) not in line
    with pytest.raises(SystemExit) as left:
        main(["plot", *without, "--figure", "search", "-o", str(tmp_path / "b.svg")])
    assert left.value.code == 1 and not (tmp_path / "b.svg").exists()
    [line] = capsys.readouterr().err.splitlines()
    assert all(path in line for path in without)
