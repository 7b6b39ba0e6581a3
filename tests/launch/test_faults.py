"""Workers that are killed or stopped in the middle of a run, and a server that is."""

import signal
import time
from pathlib import Path

import pytest

import adsp_mpi.trace
from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from tests.launch.faults import (
    IN_FLIGHT,
    OPTIONS,
    Plan,
    check,
    run_with_faults,
    stop_after_more_steps,
    surviving,
    wait_until_all_train,
    wait_until_told,
)
from tests.launch.launcher import finish, ranks, start_command, wait_until_no_rank_is_left

OFTEN = ("--set", "eval.period_s=0.5")
ONE_MPI = pytest.mark.one_mpi_is_enough


@pytest.mark.parametrize(("seed", "sync"), [(3, "adsp"), pytest.param(5, "bsp", marks=ONE_MPI)])
def test_the_others_go_on_and_no_commit_is_lost_or_doubled(
    tmp_path: Path, seed: int, sync: str
) -> None:
    plan = Plan.of(seed, workers=4, until_s=2.5)
    run = run_with_faults(tmp_path, plan, sync, workers=4)
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
        if rank == "2" and len(calls) == 30:
            time.sleep(4)
        return loss(model, batch)

    made.loss = stalls_once
    return made
"""


@ONE_MPI
def test_dead_stopped_and_slow_workers_are_told_apart(tmp_path: Path) -> None:
    """Worker 0 is killed and a spare takes its place, 1 is slow, 2 is stopped and taken back.

    The evaluator is killed as well: rank 0 evaluates then.
    """
    (tmp_path / "stalls.py").write_text(STALLS)
    options = ("--task", "stalls:task", "--sync", "asp", "--spares", "1", "--evaluator", *OFTEN)
    python = ["-m", "adsp_mpi", *OPTIONS, *IN_FLIGHT, *options, "--out", "r"]
    started = time.monotonic()
    process = start_command(*surviving(python, size=6), tmp_path)
    before = wait_until_all_train(tmp_path / "r", process, 3)
    ranks(tmp_path)[1].kill()
    ranks(tmp_path)[5].kill()
    ranks(tmp_path)[3].send_signal(signal.SIGSTOP)
    wait_until_told(tmp_path / "r", process, r"worker 2 \(rank 3")
    ranks(tmp_path)[3].send_signal(signal.SIGCONT)
    at_last = [(1, "goes on as before"), (2, "takes part"), (3, "takes part")]
    wait_until_told(tmp_path / "r", process, *(rf"worker {w} \(rank .*\) {t}" for w, t in at_last))
    stop_after_more_steps(tmp_path / "r", process, [1, 2, 3])
    run = finish(process, started, 90)
    assert run.code == 3, run.err + run.out
    assert run.err.count("is gone; rank 0 evaluates from here on") == 1, run.err
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert (trace.table("ps/evals")["time_s"] > before.time_s).sum() >= 2
        told = trace.frame("events")
        happened = {
            (kind, int(text.split()[1]))
            for kind, text in zip(told["kind"], told["text"], strict=True)
            if text.startswith("worker ")
        }
        assert happened == {
            ("lost", 0), ("back", 3), ("slow", 1), ("recovered", 1), ("lost", 2), ("back", 2)
        }  # fmt: skip
        steps, commits = (trace.table(f"workers/1/{name}") for name in ("steps", "commits"))
        assert (steps["compute_s"] > 3.9).sum() == 1
        sent = (steps["start_s"] < commits["begun_s"][-1]).sum()
        assert sum(commits["steps"]) == sent, "a part of the slow worker's work was dropped"


DIES = """
import os, runpy, signal, sys

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class AtTorch:
    def find_spec(self, name, *_):
        if name == "torch":
            die()

def task():
    if is_victim:
        die()
    from adsp_mpi.learn.tasks.digits import digits_cnn
    return digits_cnn()

is_victim = "2" in (os.environ.get("PMI_RANK"), os.environ.get("OMPI_COMM_WORLD_RANK"))
moment = sys.argv.pop(1) if __name__ == "__main__" else ""
if moment == "before MPI" and is_victim:
    die()
if moment == "import torch" and is_victim:
    sys.meta_path.insert(0, AtTorch())
if moment:
    runpy.run_module("adsp_mpi", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "moment", ["before MPI", "import torch", pytest.param("task", marks=ONE_MPI)]
)
def test_a_rank_that_dies_before_training_ends_the_others(tmp_path: Path, moment: str) -> None:
    (tmp_path / "dies.py").write_text(DIES)
    command, settings = surviving(["dies.py", moment, "--task", "dies:task", "--out", "r"], size=3)
    run = finish(start_command(command, settings, tmp_path), time.monotonic(), 60)
    assert run.code != 0 and "Traceback" not in run.err
    told = [line for line in run.err.splitlines() if line.startswith("adsp_mpi: error:")]
    assert told == [
        "adsp_mpi: error: rank 2 was killed by signal 9 before training had begun everywhere"
    ], run.err
    wait_until_no_rank_is_left(tmp_path, 10)


DIES_LATE = """
import os, runpy, signal, sys
from mpi4py import MPI
import adsp_mpi.mpi.run
import adsp_mpi.mpi.worker.run as run
from adsp_mpi.mpi.ranks.leaving import RollCall
from adsp_mpi.mpi.ranks.world import World

def dies(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

def dies_in_the_middle(comm):
    comm.Send(b"12345678", 0, 7)
    dies()

moment = sys.argv.pop(1)
if MPI.COMM_WORLD.rank == 2:
    if moment == "clock":
        run.measure_offset = dies_in_the_middle
    elif moment == "free":
        World.all_come = dies
    elif moment == "end":
        RollCall.end = dies
runpy.run_module("adsp_mpi", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("moment", ["clock", "end"])
def test_a_worker_that_dies_in_the_last_moments_holds_up_nothing(
    tmp_path: Path, moment: str
) -> None:
    (tmp_path / "dies.py").write_text(DIES_LATE)
    options = ("--sync", "asp", "--set", "hetero.step_time_s=0.02", "--max-seconds", "1")
    command, settings = surviving(["dies.py", moment, *options, "--out", "r"], size=3)
    run = finish(start_command(command, settings, tmp_path), time.monotonic(), 60)
    wait_until_no_rank_is_left(tmp_path, 20)
    assert run.code == 0 and "Traceback" not in run.err, run.err
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        kinds = list(trace.frame("events")["kind"])
        assert kinds.count("lost") == (moment == "clock"), kinds


@ONE_MPI
def test_without_rank_0_the_job_ends_and_says_how_to_go_on(tmp_path: Path) -> None:
    options = ("--set", "checkpoint.period_s=1", "--set", "hetero.step_time_s=0.02")
    started = time.monotonic()
    python = ["-m", "adsp_mpi", *OPTIONS, *options, "--out", "r"]
    process = start_command(*surviving(python, size=3), tmp_path)
    while not whole_checkpoints(tmp_path / "r"):
        assert process.poll() is None and time.monotonic() - started < 60
        time.sleep(0.1)
    ranks(tmp_path)[0].kill()
    run = finish(process, started, 30)
    assert run.err.count("rank 0 is gone; go on with --resume r") == 1, run.err
    wait_until_no_rank_is_left(tmp_path, 10)
