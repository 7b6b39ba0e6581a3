"""Starts programs under the MPI of this environment, always with a time limit."""

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Sequence

FORKED = Path(__file__).with_name("forked.py")
PROGRAMS = Path(__file__).parents[1] / "mpi"
RANK_PY = Path(__file__).parents[2] / "jobs" / "rank.py"

LAUNCHERS_OWN = re.compile(
    r"prterun|Process name:|Exit code:|thus causing|-----|\[warn\] Ep|\[\S+\] plm:ssh: Warning"
)

OPEN_MPI_SETTINGS = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_osc": "^ucx",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


@dataclass(frozen=True)
class Finished:
    """A program that ended: its exit code, what it wrote, and how long it took."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def error_lines(self) -> list[str]:
        """The lines on stderr, without the launcher's own."""
        lines = [line.strip() for line in self.err.splitlines()]
        return [line for line in lines if line and not LAUNCHERS_OWN.match(line)]


def find_mpirun() -> str | None:
    """mpirun of this Python's environment, else the one on PATH."""
    beside = Path(sys.executable).with_name("mpirun")
    return str(beside) if beside.exists() else shutil.which("mpirun")


def is_open_mpi(mpirun: str) -> bool:
    out = subprocess.run([mpirun, "--version"], capture_output=True, text=True, timeout=30)
    return "Open MPI" in out.stdout or "prrte" in out.stdout.lower()


@cache
def python() -> tuple[str, ...]:
    """What starts a rank: a client of a process that has the libraries imported."""
    path = Path(tempfile.mkdtemp()) / "socket"
    process = subprocess.Popen([sys.executable, str(FORKED), "serve", str(path)])
    atexit.register(process.kill)
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.05)
    return sys.executable, "-S", "-E", str(FORKED), str(path)


def start(ranks: int, *arguments: str, cwd: Path, guarded: bool = False) -> subprocess.Popen[str]:
    """Start `mpirun -n ranks python ARGUMENTS`, `guarded` by jobs/rank.py, in its own group."""
    mpirun = find_mpirun()
    assert mpirun, "no mpirun; see the README for how to get one"
    guard = [sys.executable, str(RANK_PY)] if guarded else []
    return start_command([mpirun, "-n", str(ranks), *guard, *python(), *arguments], {}, cwd)


def start_command(command: list[str], settings: dict[str, str], cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=cwd,
        env={
            **os.environ,
            **OPEN_MPI_SETTINGS,
            "XDG_CACHE_HOME": str(cwd / "cache"),
            **settings,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@dataclass(frozen=True)
class Rank:
    """A rank's process."""

    process: int

    def send_signal(self, number: int) -> None:
        os.kill(self.process, number)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)


def ranks(folder: Path) -> dict[int, Rank]:
    """The living ranks of the only job that was started in `folder`."""
    found: dict[int, Rank] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() != folder.resolve():
                continue
            name, command = ((process / about).read_bytes() for about in ("comm", "cmdline"))
            not_ranks = b"rank.py" in command or FORKED.name.encode() in command
            variables = b"" if not_ranks else (process / "environ").read_bytes()
        except OSError:
            continue
        of_rank = rb"\0(?:PMI_RANK|OMPI_COMM_WORLD_RANK)=(\d+)\0"
        if match := re.match(rb"rank-(\d+)", name) or re.search(of_rank, variables):
            found[int(match[1])] = Rank(int(process.name))
    return found


def wait_until_no_rank_is_left(folder: Path, limit_s: float = 30) -> None:
    """Wait for all ranks to end: under jobs/rank.py Open MPI's launcher ends before them."""
    started = time.monotonic()
    while ranks(folder):
        assert time.monotonic() - started < limit_s
        time.sleep(0.1)


def finish(process: subprocess.Popen[str], started: float, limit_s: float) -> Finished:
    """Wait for the end; a program that is not over by the limit is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"not over after {limit_s} s\n{out[-3000:]}\n{err[-3000:]}") from None
    return Finished(process.returncode, out, err, time.monotonic() - started)


def launch(ranks: int, *arguments: str, cwd: Path, limit_s: float = 90) -> Finished:
    """Run `mpirun -n ranks python ARGUMENTS` to its end."""
    started = time.monotonic()
    return finish(start(ranks, *arguments, cwd=cwd), started, limit_s)


def launch_all(ranks: int, commands: Sequence[Sequence[str]], cwd: Path) -> list[Finished]:
    """Run `python COMMAND` on the same ranks for one command after the other, with one start-up."""
    return finish_all(start_all(ranks, commands, cwd), ranks, len(commands), cwd)


def start_all(ranks: int, commands: Sequence[Sequence[str]], cwd: Path) -> subprocess.Popen[str]:
    """Start `python COMMAND` on the same ranks for one command after the other."""
    (cwd / "commands.json").write_text(json.dumps([list(command) for command in commands]))
    path = os.pathsep.join([str(PROGRAMS.parents[1]), os.environ.get("PYTHONPATH", "")])
    mpirun = find_mpirun()
    assert mpirun
    program = ("-m", "tests.mpi.command_lines", "commands.json")
    return start_command([mpirun, "-n", str(ranks), *python(), *program], {"PYTHONPATH": path}, cwd)


def finish_all(
    process: subprocess.Popen[str], ranks: int, commands: int, cwd: Path
) -> list[Finished]:
    """Wait for the end of what `start_all` started."""
    done = finish(process, time.monotonic(), 60 + 20 * commands)
    assert done.code == 0, done.err
    return [_of_all_ranks(cwd, number, ranks) for number in range(commands)]


def _of_all_ranks(folder: Path, number: int, ranks: int) -> Finished:
    """The output of all ranks for one command, and the exit code of all of them."""
    codes, out, err = set[int](), "", ""
    for rank in range(ranks):
        stem = folder / f"{number}-{rank}"
        codes.add(int(stem.with_suffix(".code").read_text()))
        out += stem.with_suffix(".out").read_text()
        err += stem.with_suffix(".err").read_text()
    assert len(codes) == 1, (codes, err)
    return Finished(codes.pop(), out, err, 0.0)


def launch_command(
    command: list[str], settings: dict[str, str], cwd: Path, limit_s: float
) -> Finished:
    """Run a command with its own settings in the environment to its end."""
    started = time.monotonic()
    return finish(start_command(command, settings, cwd), started, limit_s)
