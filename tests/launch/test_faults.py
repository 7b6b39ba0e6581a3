"""Workers that are killed or stopped in the middle of a run, and a server that is."""

import signal
import time
from pathlib import Path

import pytest

import adsp_mpi.trace
from tests.launch.faults import (
    IN_FLIGHT,
    OPTIONS,
    WORKERS,
    check,
    run_with_faults,
    surviving,
    wait_until_all_train,
)
from tests.launch.launcher import finish, launch, ranks, start_command, wait_until_no_rank_is_left


@pytest.mark.parametrize(
    ("seed", "sync"), [(3, "adsp"), pytest.param(5, "bsp", marks=pytest.mark.one_mpi_is_enough)]
)
def test_the_others_go_on_and_no_commit_is_lost_or_doubled(
    tmp_path: Path, seed: int, sync: str
) -> None:
    plan, run = run_with_faults(tmp_path, seed, sync)
    check(tmp_path, plan, run, sync)


STALLS = """
import os, time
from adsp_mpi.learn.tasks.digits import digits_cnn

def task():
    made = digits_cnn()
    loss, calls = made.loss, []

    def stalls_once(model, batch):
        calls.append(1)
        rank = os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK")
        if rank == "2" and len(calls) == 60:
            time.sleep(4)
        return loss(model, batch)

    made.loss = stalls_once
    return made
"""


def test_a_worker_that_is_long_in_a_step_keeps_its_work_and_nobody_pauses(tmp_path: Path) -> None:
    (tmp_path / "stalls.py").write_text(STALLS)
    options = ("--task", "stalls:task", "--sync", "asp", "--max-seconds", "8")
    python = ["-m", "adsp_mpi", *OPTIONS, *IN_FLIGHT, *options, "--out", "r"]
    run = launch(4, *python, cwd=tmp_path)
    assert run.code == 0, run.err + run.out
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        told = trace.frame("events")
        happened = [
            (kind, text.split()[1]) for kind, text in zip(told["kind"], told["text"], strict=True)
        ]
        assert happened[:2] == [("slow", "1"), ("recovered", "1")], told
        assert not {"lost", "back"} & set(told["kind"]), told
        steps, commits = (trace.table(f"workers/1/{name}") for name in ("steps", "commits"))
        assert (steps["compute_s"] > 3.9).sum() == 1
        sent = (steps["start_s"] < commits["begun_s"][-1]).sum()
        assert sum(commits["steps"]) == sent, "a part of its work was dropped"


def begun(folder: Path, *options: str):
    started = time.monotonic()
    python = ["-m", "adsp_mpi", *OPTIONS, *IN_FLIGHT, *options, "--out", "r"]
    process = start_command(*surviving(python), folder)
    wait_until_all_train(folder / "r", process, WORKERS - 1)
    return process, started


DIES = """
import os, signal
from adsp_mpi.learn.tasks.digits import digits_cnn

def task():
    if "2" in (os.environ.get("PMI_RANK"), os.environ.get("OMPI_COMM_WORLD_RANK")):
        os.kill(os.getpid(), signal.SIGKILL)
    return digits_cnn()
"""


def test_a_rank_that_dies_before_training_ends_the_others(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text(DIES)
    python = ["-m", "adsp_mpi", "--task", "dies:task", "--out", "r"]
    command, settings = surviving(python)
    run = finish(start_command(command, settings, tmp_path), time.monotonic(), 60)
    assert run.code != 0 and "Traceback" not in run.err
    assert run.err.count("rank 2 on") == 1 and "died while the others waited" in run.err, run.err
    wait_until_no_rank_is_left(tmp_path)


@pytest.mark.one_mpi_is_enough
def test_a_worker_that_was_stopped_is_taken_out_and_back_and_a_spare_helps(tmp_path: Path) -> None:
    process, started = begun(tmp_path, "--spares", "1", "--max-seconds", "16")
    ranks(tmp_path)[2].kill()
    ranks(tmp_path)[3].send_signal(signal.SIGSTOP)
    time.sleep(8)
    ranks(tmp_path)[3].send_signal(signal.SIGCONT)
    run = finish(process, started, 90)
    assert run.code == 0, run.err + run.out
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        events = trace.frame("events")
        happened = [
            (kind, int(text.split()[1]))
            for kind, text in zip(events["kind"], events["text"], strict=True)
            if kind in ("lost", "back")
        ]
        ends_s = [float(trace.table(f"workers/{w}/steps")["start_s"][-1]) for w in (2, 6)]
    assert {("lost", 1), ("lost", 2), ("back", 6), ("back", 2)} <= set(happened)
    assert min(ends_s) > 14


@pytest.mark.one_mpi_is_enough
def test_without_rank_0_the_job_ends_and_says_how_to_go_on(tmp_path: Path) -> None:
    process, started = begun(tmp_path, "--set", "checkpoint.period_s=1")
    time.sleep(2)
    ranks(tmp_path)[0].kill()
    killed = time.monotonic()
    run = finish(process, started, 60)
    assert time.monotonic() - killed < 10
    assert run.err.count("rank 0 is gone; go on with --resume r") == 1, run.err
    assert not ranks(tmp_path)
