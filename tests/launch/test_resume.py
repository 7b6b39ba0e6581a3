"""Runs under mpirun that are stopped by a signal, or killed, and go on from a checkpoint."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest

import adsp_mpi.trace
from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from tests.launch.launcher import (
    Finished,
    find_mpirun,
    finish,
    is_open_mpi,
    launch,
    ranks,
    start,
    wait_until_no_rank_is_left,
)

MODULE = ("-m", "adsp_mpi", "--set", "hetero.step_time_s=0.02", "--hetero", "ratio:2.0")
FOREVER = ("--target-loss", "0", "--max-seconds", "600")


def stop(folder: Path, number: int, whom: str, *options: str) -> Finished:
    """Start a run in `folder`, let it train for some seconds, signal `whom`."""
    started = time.monotonic()
    process = start(4, *MODULE, *options, "--out", "r", cwd=folder, guarded=whom == "mpirun")
    wait_until_it_trains(folder / "r", process)
    if whom == "mpirun":
        process.send_signal(number)
    else:
        rank = int(whom.removeprefix("rank "))
        ranks(folder)[rank].send_signal(number)
    finished = finish(process, started, 60)
    wait_until_no_rank_is_left(folder)
    return finished


def wait_until_it_trains(run: Path, process) -> None:
    started = time.monotonic()
    while not list((run / "parts").glob("rank-00003.part")):
        assert process.poll() is None and time.monotonic() - started < 60
        time.sleep(0.1)
    time.sleep(2.5)


@pytest.mark.parametrize(
    ("number", "whom"),
    [(signal.SIGTERM, "mpirun"), (signal.SIGINT, "rank 0"), (signal.SIGUSR2, "rank 2")],
)
def test_a_signal_leaves_a_checkpoint_and_the_run_goes_on_from_it(
    tmp_path: Path, number: int, whom: str
) -> None:
    stopped = stop(tmp_path, number, whom, *FOREVER)
    assert "Traceback" not in stopped.err, stopped.err
    if whom != "mpirun" or not is_open_mpi(str(find_mpirun())):
        assert stopped.code == 3 and "--resume r" in stopped.err, stopped.err + stopped.out
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert trace.meta["reason"] == "stopped by a signal"
        before_s = trace.meta["end_s"]
        steps = [len(trace.table(f"workers/{w}/steps")) for w in trace.workers]
    until_s = before_s + 3
    on = launch(4, *MODULE[:2], "--resume", "r", "--max-seconds", f"{until_s}", cwd=tmp_path)
    assert on.code == 0 and "resumed from" in on.out, on.err
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert [len(trace.table(f"workers/{w}/steps")) for w in trace.workers] > steps
        for worker in trace.workers:
            starts_s = trace.table(f"workers/{worker}/steps")["start_s"]
            assert (np.diff(starts_s) > 0).all() and starts_s[-1] > before_s
            numbers = trace.table(f"workers/{worker}/commits")["number"]
            assert list(numbers) == list(range(1, len(numbers) + 1))
        assert trace.meta["end_s"] >= until_s
        assert "resume" in list(trace.frame("events")["kind"])


BSP_STEPS = 45


@pytest.mark.one_mpi_is_enough
def test_bsp_stopped_and_resumed_ends_in_the_same_model(tmp_path: Path) -> None:
    """A sum of floats depends on the order of its terms: of the order in which commits arrive."""
    (tmp_path / "p.toml").write_text("step_time_s = [0.05, 0.1, 0.16]")
    options = ("--hetero", "p.toml", "--sync", "bsp", "--target-loss", "0")
    options = (*options, "--max-steps", f"{BSP_STEPS}")
    whole = launch(4, *MODULE, *options, "--out", "whole", cwd=tmp_path)
    assert whole.code == 0, whole.err
    stopped = stop(tmp_path, signal.SIGTERM, "rank 0", *options)
    assert stopped.code == 3, stopped.err
    on = launch(4, *MODULE[:2], "--resume", "r", cwd=tmp_path)
    assert on.code == 0, on.err
    if order_of_commits(tmp_path / "r") != order_of_commits(tmp_path / "whole"):
        pytest.skip("this machine was too busy: commits arrived in another order")
    assert (tmp_path / "r/model.pt").read_bytes() == (tmp_path / "whole/model.pt").read_bytes()


def order_of_commits(run: Path) -> list[list[int]]:
    """The workers of each round, the soonest first."""
    with adsp_mpi.trace.open(run) as trace:
        steps = [trace.table(f"workers/{w}/steps") for w in trace.workers]
        landed_s = [trace.table(f"workers/{w}/commits")["done_s"] for w in trace.workers]
    assert [len(rows) for rows in (*steps, *landed_s)] == [BSP_STEPS] * 6
    return np.argsort(np.array(landed_s), axis=0).T.tolist()


@pytest.mark.one_mpi_is_enough
def test_another_number_of_workers_is_told(tmp_path: Path) -> None:
    workers = 5
    assert stop(tmp_path, signal.SIGTERM, "rank 1", *FOREVER).code == 3
    options = ("--resume", "auto", "--out", "r", "--target-loss", "0", "--max-seconds", "9")
    on = launch(workers + 1, *MODULE, *options, cwd=tmp_path)
    assert on.code == 0, on.err
    assert f"with {workers} workers instead of 3" in on.out
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        losses = trace.table("ps/evals")["loss"]
        assert len(trace.workers) == max(workers, 3) and losses[-1] < losses[0] / 2


@pytest.mark.one_mpi_is_enough
def test_auto_goes_on_after_a_kill(tmp_path: Path) -> None:
    options = ("--resume", "auto", "--out", "r", "--set", "checkpoint.period_s=1.5")
    process = start(4, *MODULE, *options, *FOREVER, cwd=tmp_path)
    wait_until_it_trains(tmp_path / "r", process)
    while not whole_checkpoints(tmp_path / "r"):
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    for rank in ranks(tmp_path).values():
        rank.kill()
    process.communicate(timeout=60)
    assert whole_checkpoints(tmp_path / "r")
    on = launch(4, *MODULE, *options, "--target-loss", "0", "--max-seconds", "9", cwd=tmp_path)
    assert on.code == 0 and "resumed from" in on.out, on.err
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert trace.table("ps/evals")["time_s"][0] < 1 and trace.meta["end_s"] >= 9


@pytest.mark.one_mpi_is_enough
def test_a_run_that_has_ended_goes_on_with_a_larger_limit(tmp_path: Path) -> None:
    """All steps taken, then more steps, then a time limit; at last nothing is left to do."""
    options = ("--out", "r", "--target-loss", "0", "--max-steps", "10")
    first = launch(3, *MODULE, *options, cwd=tmp_path)
    assert first.code == 0 and len(whole_checkpoints(tmp_path / "r")) == 1, first.err
    more = launch(3, *MODULE[:2], "--resume", "r", "--max-steps", "20", cwd=tmp_path)
    assert more.code == 0, more.err
    assert "where the run had ended: every worker took its last step" in more.out
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        ended_s = trace.meta["end_s"]
        for worker in trace.workers:
            steps = trace.table(f"workers/{worker}/steps")
            assert len(steps) == 20 and (np.diff(steps["start_s"]) > 0).all()
            numbers = trace.table(f"workers/{worker}/commits")["number"]
            assert list(numbers) == list(range(1, len(numbers) + 1))
    limits = ("--max-steps", "0", "--max-seconds", f"{ended_s + 2}")
    timed = launch(3, *MODULE[:2], "--resume", "r", *limits, cwd=tmp_path)
    assert timed.code == 0, timed.err
    again = launch(
        3, *MODULE, "--resume", "auto", *options[:4], *limits, "--seed", "1", cwd=tmp_path
    )
    assert again.code == 0, again.err
    assert f"where the run had ended: {ended_s + 2:g} s are over" in again.out
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert trace.meta["end_s"] >= ended_s + 2
        assert len(trace.table("workers/0/steps")) > 20
