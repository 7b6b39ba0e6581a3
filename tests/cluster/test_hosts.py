"""One-sided commits between hosts over TCP."""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Callable

import adsp_mpi.trace
from tests.cluster.conftest import HOSTS, launch_on_hosts
from tests.launch.faults import OPTIONS, surviving, wait_until_all_train
from tests.launch.launcher import (
    PROGRAMS,
    finish,
    is_open_mpi,
    ranks,
    start_command,
    wait_until_no_rank_is_left,
)

ROOT = PROGRAMS.parents[1]
Limit = Callable[[int, str], None]


def test_no_commit_is_lost_or_doubled_over_tcp(hosts: Limit) -> None:
    """With one server and with two."""
    arguments = ("4", "1:usual:50000", "2:usual:50000")
    run = launch_on_hosts(
        HOSTS, sys.executable, "-m", "tests.mpi.stress_commits", *arguments, cwd=ROOT
    )
    assert run.code == 0, run.err
    of_each = [json.loads(line) for line in run.out.splitlines() if line.startswith("{")]
    assert [len(facts["commits"]) for facts in of_each] == [HOSTS - 1, HOSTS - 2]
    for facts in of_each:
        assert facts["wrong"] == 0 and facts["begun"] == facts["commits"]
        assert sum(facts["commits"]) == facts["landed"] and min(facts["commits"]) >= 2


def test_training_over_tcp_never_waits_and_ends(hosts: Limit, tmp_path: Path) -> None:
    run = launch_on_hosts(
        HOSTS, sys.executable, "-m", "adsp_mpi", "--max-seconds", "6", "--out", str(tmp_path / "r"),
        cwd=ROOT,
    )  # fmt: skip
    assert run.code == 0 and run.error_lines == [], run.err
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        hosts_used = {trace.worker_meta(w)["host"] for w in trace.workers}
        counts = [len(trace.table(f"workers/{w}/commits")) for w in trace.workers]
        assert len(hosts_used) == HOSTS - 1
        assert min(counts) >= 2 and max(counts) - min(counts) <= 2
        assert all(len(trace.table(f"workers/{w}/waits")) == 0 for w in trace.workers)


def test_the_death_of_rank_0_ends_all_hosts(hosts: Limit, tmp_path: Path) -> None:
    """Open MPI's own library ends all ranks then, with words of its own."""
    command, settings = surviving(
        ["-m", "adsp_mpi", *OPTIONS, "--out", "r"], hosts=True, size=HOSTS
    )
    started = time.monotonic()
    process = start_command(command, settings, tmp_path)
    wait_until_all_train(tmp_path / "r", process, HOSTS - 1)
    ranks(tmp_path)[0].kill()
    run = finish(process, started, 90)
    wait_until_no_rank_is_left(tmp_path)
    assert run.code != 0
    if not is_open_mpi(command[command.index("-") + 1]):
        assert "Traceback" not in run.err and run.err.count("adsp_mpi: error: rank 0") == 1, run.err


def test_a_slow_link_slows_its_own_worker_only(hosts: Limit) -> None:
    """Worker 2's host sends at 20 Mbit/s: 4 MB take it 1.6 s, the others a fraction of that."""
    hosts(HOSTS, "20mbit")
    run = launch_on_hosts(HOSTS, sys.executable, "-m", "tests.mpi.timed_commits", "10", cwd=ROOT)
    assert run.code == 0, run.err
    facts = json.loads(run.out)
    assert facts["exact"]
    *others, slow = [statistics.median(t) for t in facts["times"]]
    print(f"median s of a 4 MB commit: {others}, behind 20 Mbit/s {slow}")
    assert max(others) < slow / 3
