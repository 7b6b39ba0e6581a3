"""Whole runs as a user starts them."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import adsp_mpi.trace
from tests.launch.faults import FLUSHED_SOON, wait_until_all_train
from tests.launch.launcher import (
    Finished,
    find_mpirun,
    finish,
    is_open_mpi,
    launch,
    launch_all,
    start,
    wait_until_no_rank_is_left,
)

MODULE = ("-m", "adsp_mpi")


@pytest.mark.one_mpi_is_enough  # the contract has its promises under every MPI, but for the loss
def test_quickstart_keeps_what_it_promises(tmp_path: Path) -> None:
    run = launch(8, *MODULE, "--out", "run", "--screen", "log", cwd=tmp_path, limit_s=150)
    assert run.code == 0 and run.error_lines == [], run.err
    assert "target loss 0.1 held for 10 evaluations" in run.out
    with adsp_mpi.trace.open(tmp_path / "run") as trace:
        evals = trace.table("ps/evals")
        assert evals["test_accuracy"][-1] >= 0.95
        assert (evals["loss"][-10:] <= 0.1).all()
        steps = [trace.table(f"workers/{w}/steps") for w in trace.workers]
        commits = [trace.table(f"workers/{w}/commits") for w in trace.workers]
        assert len(steps) == 7
        injected_s = np.array([trace.worker_meta(w)["step_time_s"] for w in trace.workers])
        assert (1 / injected_s).mean() * injected_s.max() == pytest.approx(2.0)
        for s, step_time_s in zip(steps, injected_s, strict=True):
            assert speed_is_that_asked_for(s, step_time_s)
        counts = [len(c) for c in commits]
        assert max(counts) - min(counts) <= 2
        for w, c in enumerate(commits):
            assert len(trace.table(f"workers/{w}/waits")) == 0
            assert (c["staleness"] >= 0).all()
        assert len(trace.table("ps/search")) >= 2
        targets = trace.table("ps/targets")
        assert set(targets["phase"]) == {b"search", b"train"}
        assert "digits-cnn" in trace.meta["config"] and "torch" in trace.meta["versions"]
    state = torch.load(tmp_path / "run" / "model.pt", weights_only=True)
    assert sum(v.numel() for v in state.values()) == 57110


def speed_is_that_asked_for(steps: np.ndarray, step_time_s: float) -> bool:
    """Whether there was time for all steps that were done; the last one may have been cut short."""
    whole = steps[:-1]
    passed_s = (
        whole["start_s"][-1] + whole["compute_s"][-1] + whole["sleep_s"][-1] - whole["start_s"][0]
    )
    return bool(passed_s > 0.999 * len(whole) * step_time_s)


@pytest.mark.one_mpi_is_enough
def test_commits_block_where_asked_and_else_do_not_stop_the_training(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("step_time_s = [0.01, 0.01]\ndelay_s = [0.3, 0]\n")
    (tmp_path / "f.toml").write_text("step_time_s = [0.01, 0.01]\ndelay_s = [0.3, 0.3]\n")
    rate = ("--sync", "adsp-fixed", "--set", "sync.check_period_s=1", "--set", "sync.commit_rate=2")
    options = (*MODULE, *rate, "--max-steps", "200", "--hetero")
    blocking = (*options, "b.toml", "--blocking-commits", "--out", "blocking")
    for run in launch_all(3, [blocking, (*options, "f.toml")], tmp_path):
        assert run.code == 0 and run.error_lines == [], run.err
    (free,) = (tmp_path / "runs").iterdir()
    assert_plain_lines(run, free)
    with adsp_mpi.trace.open(tmp_path / "blocking") as trace:
        slow, fast = (trace.table(f"workers/{w}/commits") for w in (0, 1))
    assert (slow["blocked_s"] >= 0.3).all() and len(slow) >= 2
    assert (slow["done_s"] - slow["begun_s"] >= 0.3).all()
    assert fast["blocked_s"].min() < 0.3
    with adsp_mpi.trace.open(free) as trace:
        commits, steps = trace.table("workers/0/commits"), trace.table("workers/0/steps")
    assert len(commits) >= 2
    for commit in commits[:-1]:
        during = (steps["start_s"] > commit["begun_s"]) & (steps["start_s"] < commit["done_s"])
        assert during.sum() >= 1
    assert commits["blocked_s"].min() < 0.3  # of the last one the end of the run may wait


def assert_plain_lines(run: Finished, folder: Path) -> None:
    """Where there is no terminal, at most one line for each check."""
    with adsp_mpi.trace.open(folder) as trace:
        checks = len(trace.table("ps/targets"))
    assert "\x1b" not in run.out
    assert 1 <= sum("C_target" in line for line in run.out.splitlines()) <= checks


BAD = [
    (["--sync", "nope"], 2, "unknown scheme 'nope'; there are: adacomm, adsp"),
    (["--set", "train.batch_size=0"], 2, "train.batch_size = 0 must be at least 1"),
    (["--set", "train.batch=8"], 2, "did you mean batch_size"),
    (["--bogus"], 2, "unrecognized arguments: --bogus; options:"),
    (["--task", "nope"], 2, "unknown task 'nope'; there are: digits-cnn"),
    (["--hetero", "missing.toml"], 2, "missing.toml: No such file"),
    (["--out", "/dev/null/x"], 2, "/dev/null/x: Not a directory"),
    (["--out", "r"], 2, "r holds a run already"),
    (["--device", "tpu"], 2, "there are auto, cpu, cuda and cuda:N"),
    (["--set", "train.local_lr=1e30"], 1, "the loss became nan"),
    (["--task", "broken:no_data"], 1, "no_data.csv"),
    (["--task", "broken:fails_later"], 1, "ZeroDivisionError: division by zero"),
    (["--task", "broken:nan_data"], 1, "the loss of the untrained model is nan"),
    (["--task", "broken:vector_loss"], 1, "scalar tensor, the mean over the batch; it is a"),
    (["--sync", "broken:Silent"], 1, "Silent.next_action returned None: it must be Step()"),
    (["--sync", "broken:Ends"], 1, "Ends.scheduler ended; it must yield for ever"),
]

BROKEN_TASKS = """
from dataclasses import dataclass

import torch

import adsp_mpi
from adsp_mpi.core.actions import Step
from adsp_mpi.core.models.base import SyncModel


@dataclass(frozen=True)
class Silent(SyncModel):
    def next_action(self, now, me, board):
        return None


@dataclass(frozen=True)
class Ends(SyncModel):
    def next_action(self, now, me, board):
        return Step()

    def scheduler(self, seen, setup):
        yield from ()


def task(x, loss):
    data = (x, torch.ones(len(x)))
    return adsp_mpi.Task(lambda: torch.nn.Linear(2, 1), data, data, loss, lambda m, b: {"x": 0.0})


def nan_data():
    return task(torch.full((90, 2), float("nan")), lambda model, batch: model(batch[0]).mean())


def vector_loss():
    def loss(model, batch):
        out = model(batch[0]).squeeze(1)
        return out if model.training else out.mean()
    return task(torch.ones(200, 2), loss)


def no_data():
    return open("no_data.csv")

def fails_later():
    calls = []
    def loss(model, batch):
        calls.append(1)
        if model.training and len(calls) > 9:
            return 1 / 0
        return model(batch[0]).mean()
    return task(torch.ones(90, 2), loss)
"""


def assert_one_line(run: Finished, arguments: list[str], code: int, message: str) -> None:
    """Exactly one rank reports the error, in one line unless it is unexpected."""
    assert run.code == code, (arguments, run.err)
    told = [line for line in run.error_lines if line.startswith("adsp_mpi: error:")]
    assert len(told) == 1 and message in run.err, (arguments, run.err)
    unforeseen = any(word in arguments[-1] for word in ("no_data", "fails_later"))
    assert run.err.count("Traceback") == unforeseen, run.err
    assert "MPI_Abort" not in run.err
    if not unforeseen:
        assert run.error_lines == told


@pytest.mark.one_mpi_is_enough
def test_bad_input_is_one_line_on_one_rank(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN_TASKS)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "trace.h5").write_bytes(b"precious")
    runs = launch_all(3, [(*MODULE, *arguments) for arguments, _, _ in BAD], tmp_path)
    for run, case in zip(runs, BAD, strict=True):
        assert_one_line(run, *case)
    assert (tmp_path / "r" / "trace.h5").read_bytes() == b"precious", "a run is not overwritten"


@pytest.mark.parametrize("word", ["--bogus", "no_data", "fails_later", "nan_data"])
def test_bad_input_ends_every_rank(tmp_path: Path, word: str) -> None:
    """One failure of each kind under every MPI: before a run, at its start, in it, in a worker."""
    (tmp_path / "broken.py").write_text(BROKEN_TASKS)
    arguments, code, message = next(case for case in BAD if word in case[0][-1])
    assert_one_line(launch(3, *MODULE, *arguments, cwd=tmp_path), arguments, code, message)


def test_one_rank_is_told_how_to_start_more(tmp_path: Path) -> None:
    run = launch(1, *MODULE, cwd=tmp_path)
    assert run.code == 2
    assert run.error_lines == [
        "adsp_mpi: error: at least two ranks are needed, a server and a worker. "
        "Start with: mpirun -n 8 python -m adsp_mpi"
    ]


def test_nan_keeps_the_last_good_model_and_the_trace(tmp_path: Path) -> None:
    run = launch(3, *MODULE, "--set", "train.local_lr=1e30", "--out", "r", cwd=tmp_path)
    assert run.code == 1
    state = torch.load(tmp_path / "r" / "model.pt", weights_only=True)
    assert all(v.isfinite().all() for v in state.values())
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert "failure" in list(trace.frame("events")["kind"])


def interrupted(tmp_path: Path, number: int) -> Finished:
    started = time.monotonic()
    options = ("--out", "r", "--set", "stop.target_loss=0.0", *FLUSHED_SOON)
    process = start(3, *MODULE, *options, cwd=tmp_path, guarded=True)
    wait_until_all_train(tmp_path / "r", process, 2, steps=11)
    process.send_signal(number)
    finished = finish(process, started, 40)
    wait_until_no_rank_is_left(tmp_path)
    return finished


def test_ctrl_c_ends_in_order(tmp_path: Path) -> None:
    """Open MPI's mpirun forwards no output after Ctrl-C and has an exit code of its own."""
    run = interrupted(tmp_path, signal.SIGINT)
    assert "Traceback" not in run.err, run.err
    if not is_open_mpi(str(find_mpirun())):
        assert run.code == 3 and "stopped by a signal" in run.out
    assert (tmp_path / "r" / "model.pt").exists()
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert len(trace.table("workers/1/steps")) > 10
        assert trace.meta["reason"] == "stopped by a signal"


def test_doctor_finds_this_mpi_fit(tmp_path: Path) -> None:
    run = launch(4, *MODULE, "doctor", cwd=tmp_path)
    assert run.code == 0, run.out + run.err
    assert "sums of all ranks are exact, by memory that all ranks share" in run.out
    assert "commits land while rank 0 is outside MPI" in run.out
    assert "error" not in run.out
