"""What a run shows fits its terminal, and a log is never silent for long."""

import io
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from adsp_mpi.core.actions import Targets
from adsp_mpi.core.board import Board
from adsp_mpi.core.progress import Progress
from adsp_mpi.core.report import WorkerReport
from adsp_mpi.screen import LogScreen, Status, _view, starting_line, worker_table


def report(worker: int, **more: Any) -> WorkerReport:
    """A worker's report with numbers as long as in a run of hours."""
    long = {
        "steps": 123456,
        "commits": 12345,
        "speed": 1234.5,
        "computing_share": 1.0,
        "staleness": 123.4,
        "sent_mb": 12345.6,
        "batch_size": 32,
    }
    return WorkerReport(worker=worker, **(long | more))


def a_board(workers: int) -> Board:
    board = Board(workers)
    for name in ("steps", "commits"):
        board.column(name)[:] = 123456
    for name in ("compute_s", "sleep_s", "sent_mb", "batch_size"):
        board.column(name)[:] = 1234.5
    return board


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_workers_has_a_line_each_within_the_width(width: int) -> None:
    lines = worker_table([report(0), report(1, batch_size=64)], width)
    assert len(lines) == 3 and max(map(len, lines)) <= width
    for name in ("steps", "commits", "steps/s", "computing", "sleeping", "committing", "waiting"):
        assert name in lines[0]
    assert ("MB sent" in lines[0]) == (width == 120)
    assert "batch" in lines[0], "they differ"


def test_equal_batch_sizes_take_no_column() -> None:
    assert "batch" not in worker_table([report(0), report(1)], 120)[0]


def test_computing_and_injected_sleep_are_told_apart() -> None:
    [header, line] = worker_table([report(0, computing_share=0.25, sleeping_share=0.5)], 120)
    ends = {name: header.index(name) + len(name) for name in ("computing", "sleeping")}
    assert line[: ends["computing"]].endswith("25.0%")
    assert line[: ends["sleeping"]].endswith("50.0%")


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_view_is_not_cut_on_a_terminal(width: int) -> None:
    """Eight workers on 24 lines, the heading of every column whole."""
    progress = Progress("search", {"loss": 0.1234, "test_accuracy": 0.5, "test_loss": 0.25})
    shown = io.StringIO()
    console = Console(file=shown, width=width, height=24, force_terminal=False)
    console.print(_view(Status(1234.5, progress, a_board(8)), width))
    lines = shown.getvalue().splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= width
    assert "\u2026" not in shown.getvalue()
    [header] = [line for line in lines if "steps/s" in line]
    assert "committing" in header and "waiting" in header


@pytest.mark.parametrize(
    ("now", "share", "text"),
    [
        (30.0, 0.25, "25%, 90 s left"),
        (60.0, 0.5, "50%, 60 s left"),
        (600.0, 0.5, "50%, 10 min left"),
        (7200.0, 0.25, "25%, 6 h left"),
        (10.0, 1.0, "100%, 0 s left"),
        (10.0, 0.0, ""),
    ],
)
def test_the_live_view_says_how_long_the_run_still_takes(
    now: float, share: float, text: str
) -> None:
    board = a_board(2)
    board.progress = share
    shown = io.StringIO()
    console = Console(file=shown, width=80, force_terminal=False)
    console.print(_view(Status(now, Progress("train", {"loss": 0.5}), board), 80))
    spent = f"{now:.1f} s ({text})" if text else f"{now:.1f} s"
    assert shown.getvalue().startswith(f"{spent}  loss 0.5000")


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_log_has_a_line_every_few_seconds_before_the_first_check(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock, board = Clock(), a_board(2)
    board.targets = Targets()
    screen = LogScreen(clock)
    for tenths in range(601):
        clock.now = 100 + tenths / 10
        screen.update(Status(tenths / 10, Progress("search", {"loss": 2.0}), board))
    lines = lines_of(capsys)
    assert [line.split()[0] for line in lines] == [f"{s:.1f}" for s in range(5, 65, 5)]
    assert "loss 2.0000  search" in lines[0] and "steps 246912" in lines[0]


def test_a_log_of_hours_stays_short(capsys: pytest.CaptureFixture[str]) -> None:
    clock, board = Clock(), a_board(2)
    screen = LogScreen(clock)
    for seconds in range(10 * 3600):
        clock.now = 100.0 + seconds
        screen.update(Status(float(seconds), Progress(), board))
    assert 50 < len(lines_of(capsys)) < 200


def test_new_targets_are_a_line_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock, board = Clock(), a_board(2)
    screen = LogScreen(clock)
    board.targets = Targets()
    screen.update(Status(1.0, Progress(), board))
    assert lines_of(capsys) == []
    board.targets = Targets(commit_target=7.0, commit_rate=2.0)
    screen.update(Status(2.0, Progress(), board))
    assert "C_target 7 (+2 a check)" in lines_of(capsys)[0]


def test_the_first_line_needs_no_torch() -> None:
    code = "import adsp_mpi.screen, sys; print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "False\n"
    line = "adsp_mpi: starting adsp on digits-cnn with 8 ranks"
    assert starting_line("adsp", "digits-cnn", 8) == line
