"""A run whose launcher and ranks are killed at once: what was flushed is still there."""

import time
from pathlib import Path

import pytest

import adsp_mpi.trace
from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.analysis.parts import Follower, Look
from tests.launch.launcher import ranks, start

FLUSH_S = 0.5


@pytest.mark.one_mpi_is_enough
def test_a_killed_run_lacks_at_most_the_last_flush_interval(tmp_path: Path) -> None:
    options = ("--out", "r", "--set", "stop.target_loss=0.0", "--set", f"trace.flush_s={FLUSH_S}")
    process = start(4, "-m", "adsp_mpi", *options, cwd=tmp_path)
    before = look_when_it_trains(tmp_path / "r")
    process.kill()
    for rank in ranks(tmp_path).values():
        rank.kill()
    process.communicate(timeout=60)
    main(["merge", str(tmp_path / "r"), "--force"])
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        ends = [trace.table(f"workers/{i}/steps")["start_s"][-1] for i in trace.workers]
        for worker in before.workers:
            assert len(trace.table(f"workers/{worker.worker}/steps")) >= worker.steps
    assert len(ends) == 3 and max(ends) - min(ends) < FLUSH_S + 1.0
    report = run_metrics(tmp_path / "r")
    assert report.steps > 0 and "did not end in order" in report.notes[0]


def look_when_it_trains(folder: Path) -> Look:
    follower, started = Follower(folder), time.monotonic()
    while time.monotonic() - started < 60:
        look = follower.look()
        if look.server and len(look.workers) == 3 and look.time_s > 3:
            return look
        time.sleep(0.1)
    raise AssertionError("the run did not begin")
