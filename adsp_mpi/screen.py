"""Shows a run on rank 0: a live view on a terminal, plain lines in a log, a report at its end."""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping, Protocol, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from adsp_mpi.core.board import Board
from adsp_mpi.core.progress import Progress, time_left
from adsp_mpi.core.report import Report, WorkerReport, worker_reports
from adsp_mpi.core.speedup import speedup_text
from adsp_mpi.core.stop import STEPS_TAKEN
from adsp_mpi.errors import LOGGER, UsageError
from adsp_mpi.runtime.launcher import under_launcher
from adsp_mpi.tables import WIDTH, Table, labelled

LAUNCHERS = ("mpirun", "mpiexec", "mpiexec.hydra", "orterun", "prterun", "srun")
REFRESH_S = 0.25

QUIET_S, QUIET_SHARE = 5.0, 0.05
"""A log is never without a new line for longer than this, or than this share of the run so far."""


@dataclass(frozen=True)
class Status:
    """The run at one moment."""

    now: float
    progress: Progress
    board: Board


class Screen(Protocol):
    """A place where a run shows its progress."""

    def update(self, status: Status) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


def make_screen(mode: str) -> Screen:
    """Make the screen for `auto`, `live`, `log` or `quiet`; UsageError for anything else."""
    if mode == "auto":
        mode = "live" if _terminal() else "log"
    if mode == "live":
        return LiveScreen(_terminal())
    if mode == "log":
        return LogScreen()
    if mode == "quiet":
        return QuietScreen()
    raise UsageError(f"run.screen = {mode!r}: there are auto, live, log, quiet")


def say(mode: str, *lines: str) -> None:
    """Say lines before there is a screen; they are printed unless `mode` is quiet."""
    for line in lines:
        LOGGER.info(line)
    if mode != "quiet":
        print(*lines, sep="\n", flush=True)


def starting_line(scheme: str, task: str, num_ranks: int) -> str:
    """The first line of a run, before anything is loaded; `task` is empty if a script gave it."""
    return f"adsp_mpi: starting {scheme} on {task or 'your task'} with {num_ranks} ranks"


class QuietScreen:
    """Shows nothing."""

    def update(self, status: Status) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class LogScreen:
    """A line when the targets change, and one every few seconds of `clock` in between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun_s = clock()
        self._due_s = self._begun_s + QUIET_S
        self._version = 1

    def update(self, status: Status) -> None:
        board, now = status.board, self._clock()
        if board.version == self._version and now < self._due_s:
            return
        self._version = board.version
        self._due_s = now + max(QUIET_S, QUIET_SHARE * (now - self._begun_s))
        self.note(
            f"{status.now:8.1f} s  {describe_metrics(status.progress.metrics)}  "
            f"{describe_phase(status)}  "
            f"steps {board.column('steps').sum():.0f}  commits {board.column('commits').sum():.0f}"
        )

    def note(self, text: str) -> None:
        print(text, flush=True)

    def close(self) -> None:
        pass


class LiveScreen:
    """A view that redraws itself on `terminal`, which under mpirun is the launcher's."""

    def __init__(self, terminal: str | None) -> None:
        width, height = _size(terminal)
        self._console = Console(force_terminal=True, width=width, height=height)
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()
        self._shown_s = 0.0

    def update(self, status: Status) -> None:
        if time.monotonic() - self._shown_s < REFRESH_S:
            return
        self._shown_s = time.monotonic()
        self._live.update(_view(status, self._console.width), refresh=True)

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False)

    def close(self) -> None:
        self._live.stop()


def describe_metrics(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def describe_phase(status: Status) -> str:
    """The scheduler's phase and targets, and the numbers that the scheme itself reports."""
    targets = status.board.targets
    words = [status.progress.phase]
    if targets.commit_target:
        words.append(f"C_target {targets.commit_target:.0f} (+{targets.commit_rate:.0f} a check)")
    if targets.local_steps > 1:
        words.append(f"tau {targets.local_steps:.0f}")
    for table, values in status.progress.told.items():
        shown = [f"{k} {v:.3g}" for k, v in values.items() if not k.startswith("worker_")][:2]
        if shown:
            words.append(f"{table}: {', '.join(shown)}")
    return "  ".join(words)


COLUMNS: dict[str, Callable[[WorkerReport], str]] = {
    "worker": lambda w: str(w.worker),
    "steps": lambda w: str(w.steps),
    "commits": lambda w: str(w.commits),
    "lag": lambda w: "-" if w.staleness is None else f"{w.staleness:.1f}",
    "batch": lambda w: str(w.batch_size),
    "steps/s": lambda w: f"{w.speed:.1f}",
    "computing": lambda w: f"{w.computing_share:.1%}",
    "sleeping": lambda w: f"{w.sleeping_share:.1%}",
    "committing": lambda w: f"{w.committing_share:.1%}",
    "waiting": lambda w: f"{w.waiting_share:.1%}",
    "MB sent": lambda w: f"{w.sent_mb:.1f}",
}
DISPENSABLE = ("MB sent", "lag", "batch")
"""Columns that are left out, in this order, where a table would be too wide."""


def worker_table(workers: Sequence[WorkerReport], width: int) -> list[str]:
    """A header and a line for each worker, in `width` columns; batch sizes only if they differ."""
    shown = dict(COLUMNS)
    if len({worker.batch_size for worker in workers}) == 1:
        del shown["batch"]
    lines = Table.of(shown, workers).lines(width)
    for name in DISPENSABLE:
        if len(lines) > len(workers) + 1:
            shown.pop(name, None)
            lines = Table.of(shown, workers).lines(width)
    return lines


def _view(status: Status, width: int) -> Group:
    left = time_left(status.now, status.board.progress)
    spent = f"{status.now:.1f} s" + (f" ({left})" if left else "")
    head = f"{spent}  {describe_metrics(status.progress.metrics)}"
    table = "\n".join(worker_table(worker_reports(status.board, status.now), width))
    return Group(Text(head, style="bold"), Text(describe_phase(status)), Text(table))


def show_report(report: Report, beside: dict[str, str]) -> None:
    """Print the table of workers and the results of the run on standard output."""
    described = labelled([*report_lines(report), *beside.items()])
    print(*worker_table(report.workers, WIDTH), *described, sep="\n", flush=True)


def report_lines(report: Report) -> list[tuple[str, str]]:
    """The results of the whole run: pairs of label and text."""
    h = "-" if report.measured_h is None else f"{report.measured_h:.3f} measured"
    if report.injected_h is not None:
        h += f", {report.injected_h:.3f} injected"
    reached = report.time_to_target_s
    authors = report.time_to_target_authors_s
    lines = [
        ("ended", f"{report.reason}, after {report.seconds:.1f} s"),
        ("model", describe_metrics(report.metrics)),
        ("heterogeneity H", h),
        (
            "time to target",
            ("not reached" if reached is None else f"{reached:.1f} s")
            + ("" if authors is None else f" (by the authors' rule {authors:.1f} s)"),
        ),
        ("speed-up", speedup_text(report.speedup_limit, report.fastest)),
        ("traffic", f"{report.sent_mb_s:.3f} MB/s sent by a worker, mean"),
    ]
    if not report.commits:
        lines.append(
            (
                "warning",
                "no commit landed, so the model is untrained: the run was shorter than "
                "what lies before a first commit (sync.check_period_s, local steps)",
            )
        )
    if report.trial_s:
        lines.append(("trials", f"{report.trial_s:.1f} s, part of the times above"))
    if ended := _ended_early(report):
        lines.append(("warning", ended))
    late = [w.worker for w in report.workers if (w.late_share or 0) > 0.1 and w.steps >= 50]
    if late:
        lines.append(
            (
                "warning",
                f"this machine is too slow to hold the injected step time of workers {late}: "
                "raise hetero.step_time_s",
            )
        )
    return lines


def _ended_early(report: Report) -> str:
    """What to say if all workers' own loops came to their end before the run did; else ""."""
    limit = json.loads(report.settings or "{}").get("stop", {}).get("max_steps", 0)
    most = max((worker.steps for worker in report.workers), default=0)
    if report.reason != STEPS_TAKEN or (limit and most >= limit):
        return ""
    return (
        f"the workers' loops ended, after {most} steps at most, before any limit of the run: "
        "a loop over run(loader), not over loader, trains until the run is over"
    )


def _terminal() -> str | None:
    """The path of the terminal that shows our output, or None.

    Under a launcher it is the launcher's terminal, found through our ancestor processes: a rank's
    own output is a pipe, or with Open MPI a pseudo-terminal even if the launcher writes to a file.
    """
    if not under_launcher():
        return os.ttyname(sys.stdout.fileno()) if sys.stdout.isatty() else None
    pid = os.getppid()
    while pid > 1:
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            if name in LAUNCHERS:
                target = os.readlink(f"/proc/{pid}/fd/1")
                return target if target.startswith("/dev/pts/") else None
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            return None
    return None


def _size(terminal: str | None) -> tuple[int, int]:
    try:
        descriptor = os.open(terminal or "/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return 100, 30
    try:
        return os.get_terminal_size(descriptor)
    except OSError:
        return 100, 30
    finally:
        os.close(descriptor)
