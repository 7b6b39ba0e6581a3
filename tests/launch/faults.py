"""Kills workers of a run at seeded random moments, and says what must hold afterwards.

python -m tests.launch.faults 20 [--sync asp]      20 runs, seeds 0, 1, ...
python -m tests.launch.faults 20 --hosts           on the hosts that cluster/hosts.sh makes
"""

import argparse
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import adsp_mpi.trace
from adsp_mpi.analysis.parts import Follower, Look
from adsp_mpi.runtime.server_trace import part_path
from tests.cluster.conftest import command_on_hosts
from tests.launch.launcher import (
    RANK_PY,
    Finished,
    find_mpirun,
    finish,
    is_open_mpi,
    python,
    ranks,
    start_command,
)

WORKERS = 7
FLUSHED_SOON = ("--set", "trace.flush_s=0.2")
"""What is waited for on disk is there soon."""

OPTIONS = (
    "--hetero", "ratio:2.0", "--target-loss", "0", "--max-seconds", "120", *FLUSHED_SOON,
)  # fmt: skip
IN_FLIGHT = ("--set", "hetero.step_time_s=0.02", "--set", "hetero.delay_s=0.3")
"""Commits take 300 ms, half of the time, so that many kills meet one in flight."""


@dataclass(frozen=True)
class Plan:
    """Which workers are killed, and how many seconds after the first step was recorded."""

    victims: tuple[int, ...]
    at_s: tuple[float, ...]

    @classmethod
    def of(cls, seed: int, workers: int = WORKERS, until_s: float = 5.0) -> "Plan":
        draw = random.Random(seed)
        victims = draw.sample(range(workers), draw.randint(1, min(3, workers - 2)))
        return cls(tuple(victims), tuple(sorted(draw.uniform(1, until_s) for _ in victims)))


def surviving(
    arguments: list[str], hosts: bool = False, size: int = WORKERS + 1
) -> tuple[list[str], dict[str, str]]:
    """`python` on `size` ranks under an mpirun that lets survivors live, and its environment."""
    mpirun = find_mpirun()
    assert mpirun
    options = ["-disable-auto-cleanup"]
    if is_open_mpi(mpirun):
        options = ["--enable-recovery", *(("--with-ft", "ulfm") if hosts else ())]
    guard = (*options, sys.executable, str(RANK_PY))
    if hosts:
        return command_on_hosts(size, *guard, sys.executable, *arguments)
    return [mpirun, "-n", str(size), *guard, *python(), *arguments], {}


def run_with_faults(
    folder: Path, plan: Plan, sync: str, *options: str, hosts: bool = False, workers: int = WORKERS
) -> Finished:
    """One run in `folder`, its workers killed as planned; it is stopped when the others go on."""
    python = ["-m", "adsp_mpi", "--sync", sync, *OPTIONS, *IN_FLIGHT, *options, "--out", "r"]
    started = time.monotonic()
    process = start_command(*surviving(python, hosts, workers + 1), folder)
    wait_until_all_train(folder / "r", process, workers)
    begun = time.monotonic()
    for victim, at_s in zip(plan.victims, plan.at_s, strict=True):
        time.sleep(max(0.0, begun + at_s - time.monotonic()))
        ranks(folder)[victim + 1].kill()
    wait_until_told(folder / "r", process, *(rf"worker {w} \(rank .* after" for w in plan.victims))
    stop_after_more_steps(folder / "r", process, [*{*range(workers)} - {*plan.victims}])
    return finish(process, started, 90)


def wait_until_all_train(
    run: Path, process: subprocess.Popen[str], workers: int = WORKERS, steps: int = 1
) -> Look:
    """Wait until this many steps of each of `workers` workers are recorded."""
    follower, started = Follower(run), time.monotonic()
    while True:
        look = follower.look()
        if sum(worker.steps >= steps for worker in look.workers) >= workers:
            return look
        assert process.poll() is None and time.monotonic() - started < 60, "did not begin"
        time.sleep(0.1)


def wait_until_told(run: Path, process: subprocess.Popen[str], *patterns: str) -> None:
    """Wait until rank 0 has written events with these texts into its part of the trace."""
    limit_s = time.monotonic() + 60
    for pattern in patterns:
        while not re.search(pattern.encode(), part_path(run, 0).read_bytes()):
            assert process.poll() is None and time.monotonic() < limit_s, pattern
            time.sleep(0.1)


def stop_after_more_steps(
    run: Path, process: subprocess.Popen[str], workers: Sequence[int], steps: int = 10
) -> None:
    """Tell rank 0 to stop when each of these workers has taken this many steps more."""
    follower, limit_s = Follower(run), time.monotonic() + 60
    taken = {worker.worker: worker.steps for worker in follower.look().workers}
    goals = {worker: taken[worker] + steps for worker in workers}
    while any(taken[worker] < goal for worker, goal in goals.items()):
        assert process.poll() is None and time.monotonic() < limit_s, "they do not go on"
        time.sleep(0.1)
        taken = {worker.worker: worker.steps for worker in follower.look().workers}
    ranks(run.parent)[0].send_signal(signal.SIGINT)


def check(folder: Path, plan: Plan, run: Finished, sync: str) -> str:
    """Assert what must hold after the run; returns a line about it."""
    assert run.code == 3, run.err + run.out
    assert "Traceback" not in run.err, run.err
    assert not ranks(folder), "a rank was left behind"
    with adsp_mpi.trace.open(folder / "r") as trace:
        events = trace.frame("events")
        commits = [len(trace.table(f"workers/{w}/commits")) for w in trace.workers]
        landed = int(trace.table("ps/evals")["landed"][-1])
        assert trace.meta["reason"] == "stopped by a signal"
    told = {}
    for text in events["text"][events["kind"] == "lost"]:
        worker, done = re.match(r"worker (\d+) .* after (\d+) commits", text).groups()  # type: ignore[union-attr]
        told[int(worker)] = (int(done), "applied in part" in text)
    assert told.keys() == set(plan.victims), (told, plan)
    survivors = [made for w, made in enumerate(commits) if w not in told]
    whole = sum(survivors) + sum(done for done, _ in told.values())
    torn = sum(is_torn for _, is_torn in told.values())
    assert whole <= landed <= whole + torn, (whole, landed, torn)
    if sync == "adsp":
        assert max(survivors) - min(survivors) <= 1, survivors
    return f"killed {plan.victims}, {torn} in a commit, {landed} landed, {run.seconds:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int)
    parser.add_argument("--sync", default="adsp")
    parser.add_argument("--hosts", action="store_true")
    options = parser.parse_args()
    for seed in range(options.runs):
        with tempfile.TemporaryDirectory() as folder:
            plan = Plan.of(seed)
            run = run_with_faults(Path(folder), plan, options.sync, hosts=options.hosts)
            print(seed, check(Path(folder), plan, run, options.sync), flush=True)


if __name__ == "__main__":
    main()
