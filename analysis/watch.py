"""`watch RUN`: follows a running job from another terminal; it only reads."""

import argparse
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Callable, Iterator

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from adsp_mpi.analysis.parts import Follower, Look
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.tables import WIDTH, Table
from adsp_mpi.trace import Trace, schema

HELP = "follow a running job from another terminal until it ends"

QUIET_S = 10.0
"""Silence of all ranks is reported after this time."""

LISTED_WORKERS = 12
"""A line of the log lists the commits of up to this many workers; for more, the range."""

MAX_EVERY_S = 3600.0
COLUMNS = ("worker", "steps", "commits", "steps/s", "lag", "written")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Ends with exit code 0 when the run does, with 3 on Ctrl-C. What it shows is as old as "
        "what the ranks have written: trace.flush_s, 2 s unless set."
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="the run's folder")
    parser.add_argument("--once", action="store_true", help="one look; exit code 1 without a run")
    parser.add_argument("--every", type=float, default=2.0, metavar="S", help="seconds, default 2")


def run(options: argparse.Namespace) -> None:
    if not 0 < options.every <= MAX_EVERY_S:
        raise UsageError(f"--every {options.every:g}: must be above 0 and at most {MAX_EVERY_S:g}")
    watch(options.folder, options.every, options.once)


def watch(folder: Path, every_s: float = 2.0, once: bool = False) -> None:
    """Show the run in `folder` until it ends; with `once`, only its present state."""
    folder = folder.parent if folder.is_file() else folder
    follower = Follower(folder)
    if once and not has_ended(folder):
        print_once(folder, follower.look())
        return
    console = Console(highlight=False)
    with live(folder, console) if console.is_terminal else nullcontext(Log(folder).show) as show:
        while not has_ended(folder):
            show(follower.look())
            time.sleep(every_s)
    print(how_it_ended(folder))


def has_ended(folder: Path) -> bool:
    return (folder / schema.TRACE_NAME).exists()


def how_it_ended(folder: Path) -> str:
    with Trace(folder) as trace:
        meta = trace.meta
        after = f" after {meta['end_s']:.1f} s" if "end_s" in meta else ""
        return f"ended{after}: {meta.get('reason', 'not in order')}; {trace.path}"


def print_once(folder: Path, look: Look) -> None:
    if not look.server and not look.workers:
        raise AdspError(waiting_for(folder, look))
    console = Console(width=110, highlight=False, soft_wrap=True)
    console.print(view(folder, look))


@contextmanager
def live(folder: Path, console: Console) -> Iterator[Callable[[Look], None]]:
    """Show the job as a table that is redrawn on the terminal."""
    with Live(console=console, auto_refresh=False) as screen:
        yield lambda look: screen.update(view(folder, look), refresh=True)


class Log:
    """Prints a line whenever there is news; silence is reported at growing intervals."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = ""
        self._tell_quiet_s = QUIET_S

    def show(self, look: Look) -> None:
        line = headline(look) if look.server or look.workers else waiting_for(self._folder, look)
        if line != self._last:
            self._last, self._tell_quiet_s = line, QUIET_S
            print(line, flush=True)
        elif look.quiet_s >= self._tell_quiet_s:
            self._tell_quiet_s = 2 * look.quiet_s
            print(quiet(look), flush=True)


def view(folder: Path, look: Look) -> Group:
    """The live table, with a line for every worker."""
    if not look.server and not look.workers:
        return Group(Text(waiting_for(folder, look)))
    notes = [Text(text) for text in (*look.trouble.values(), quiet(look)) if text]
    head = Text(headline(look), style="bold")
    return Group(Text(title(look)), head, Text(worker_table(look).text(WIDTH)), *notes)


def waiting_for(folder: Path, look: Look) -> str:
    """The reason why there is nothing to show yet."""
    if look.trouble:
        return next(iter(look.trouble.values()))
    missing = folder / schema.PARTS_NAME if folder.is_dir() else folder
    return f"{missing}: nothing there yet"


def title(look: Look) -> str:
    if not look.server:
        return "rank 0 has written nothing yet"
    begun = len(look.workers)
    return f"{look.server.title}, {begun} of {look.server.num_workers} workers have begun"


def headline(look: Look) -> str:
    """One line about the whole job."""
    server = look.server
    words = [f"{look.time_s:8.1f} s"]
    words += [f"{name} {value:.4f}" for name, value in (server.metrics if server else {}).items()]
    words += [server.phase] if server and server.phase else []
    words += [f"steps {sum(worker.steps for worker in look.workers)}"]
    return "  ".join([*words, f"commits {commits(look)}"])


def commits(look: Look) -> str:
    counts = [worker.commits for worker in look.workers]
    if len(counts) > LISTED_WORKERS:
        return f"{min(counts)} to {max(counts)}"
    return " ".join(map(str, counts)) or "0"


def worker_table(look: Look) -> Table:
    rows = [
        [
            str(worker.worker),
            str(worker.steps),
            str(worker.commits),
            f"{worker.speed:.1f}" if worker.speed == worker.speed else "-",
            "-" if worker.staleness is None else str(worker.staleness),
            f"{look.age_s.get(worker.worker + 1, 0.0):.0f} s ago",
        ]
        for worker in look.workers
    ]
    return Table(COLUMNS, rows)


def quiet(look: Look) -> str:
    """A warning if no rank has written for long, else ""."""
    if look.quiet_s < QUIET_S:
        return ""
    return f"nothing written for {look.quiet_s:.0f} s: stopped, or one step takes as long"
