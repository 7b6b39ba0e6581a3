"""Runs under mpirun that are stopped by a signal, or killed, and go on from a checkpoint."""

import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import adsp_mpi.trace
from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.analysis.parts import Look
from adsp_mpi.learn.tasks import make_task
from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from adsp_mpi.tools.weights import write_weights
from tests.launch.faults import FLUSHED_SOON, wait_until_all_train
from tests.launch.launcher import (
    Finished,
    find_mpirun,
    finish,
    finish_all,
    is_open_mpi,
    launch_all,
    ranks,
    start,
    start_all,
    wait_until_no_rank_is_left,
)

MODULE = (
    *("-m", "adsp_mpi", "--set", "hetero.step_time_s=0.02", "--hetero", "ratio:2.0"),
    *FLUSHED_SOON,
)
FOREVER = ("--target-loss", "0", "--max-seconds", "600")


SIGNALS = {"mpirun": signal.SIGTERM, "rank 0": signal.SIGINT, "rank 2": signal.SIGUSR2}
"""The process to signal, and the signal, for each way to stop a run."""

MORE_STEPS = 10
BSP_STEPS = 15
TIMES, CLOCK_S = ("begun_s", "done_s"), 2e-3
BSP = (
    "--hetero", "bsp.toml", "--sync", "bsp", "--target-loss", "0", "--max-steps", str(BSP_STEPS),
    "--set", "train.partition=iid",
)  # fmt: skip


@dataclass(frozen=True)
class Gone:
    """A run that was stopped and resumed: its output, and its time and steps in between."""

    told: Finished
    resumed: Finished
    before_s: float
    steps: list[int]
    folder: Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("stopped")
    (made / "bsp.toml").write_text("step_time_s = [0.05, 0.1, 0.16]")
    return made


@pytest.fixture(scope="module")
def stopped(folder: Path) -> dict[str, Finished]:
    """A run for each signal and one with BSP, each stopped when it trains.

    The launcher is told in a launch of its own; the ranks that are told live on for the next run.
    """
    started = time.monotonic()
    process = start(4, *MODULE, *FOREVER, "--out", "mpirun", cwd=folder, guarded=True)
    wait_until_all_train(folder / "mpirun", process, 3)
    process.send_signal(SIGNALS["mpirun"])
    told = {"mpirun": finish(process, started, 60)}
    wait_until_no_rank_is_left(folder)

    runs = {"rank 0": FOREVER, "rank 2": FOREVER, "bsp": BSP}
    commands = [(*MODULE, *options, "--out", name_of(run)) for run, options in runs.items()]
    process = start_all(4, commands, folder)
    for run in runs:
        wait_until_all_train(folder / name_of(run), process, 3)
        whom = "rank 0" if run == "bsp" else run
        ranks(folder)[int(whom.removeprefix("rank "))].send_signal(SIGNALS[whom])
    return told | dict(zip(runs, finish_all(process, 4, len(runs), folder), strict=True))


def name_of(run: str) -> str:
    """The folder of a stopped run."""
    return run.replace(" ", "-")


@pytest.fixture(scope="module")
def resumed(folder: Path, stopped: dict[str, Finished]) -> dict[str, Gone]:
    """All stopped runs go on under one launch, beside a whole run with BSP."""
    ended = {run: state_of(folder / name_of(run)) for run in stopped}
    commands = [
        (*MODULE[:2], "--resume", name_of(run), "--max-steps", f"{max(ended[run][1]) + MORE_STEPS}")
        for run in SIGNALS
    ]
    commands += [(*MODULE[:2], "--resume", "bsp"), (*MODULE, *BSP, "--out", "whole")]
    *done, whole = launch_all(4, commands, folder)
    assert whole.code == 0, whole.err
    return {
        run: Gone(stopped[run], after, *ended[run], folder / name_of(run))
        for run, after in zip(stopped, done, strict=True)
    }


def state_of(run: Path) -> tuple[float, list[int]]:
    """When a run ended, and how many steps each worker took."""
    with adsp_mpi.trace.open(run) as trace:
        assert trace.meta["reason"] == "stopped by a signal"
        steps = [len(trace.table(f"workers/{w}/steps")) for w in trace.workers]
        return float(trace.meta["end_s"]), steps


@pytest.mark.parametrize("whom", SIGNALS)
def test_a_signal_leaves_a_checkpoint_and_the_run_goes_on_from_it(
    resumed: dict[str, Gone], whom: str
) -> None:
    run = resumed[whom]
    assert "Traceback" not in run.told.err, run.told.err
    if whom != "mpirun" or not is_open_mpi(str(find_mpirun())):
        assert run.told.code == 3 and "--resume " in run.told.err, run.told.err + run.told.out
    assert run.resumed.code == 0 and "resumed from" in run.resumed.out, run.resumed.err
    with adsp_mpi.trace.open(run.folder) as trace:
        steps = [len(trace.table(f"workers/{w}/steps")) for w in trace.workers]
        assert steps == [max(run.steps) + MORE_STEPS] * 3
        for worker in trace.workers:
            starts_s = trace.table(f"workers/{worker}/steps")["start_s"]
            assert (np.diff(starts_s) > 0).all() and starts_s[-1] > run.before_s
            numbers = trace.table(f"workers/{worker}/commits")["number"]
            assert list(numbers) == list(range(1, len(numbers) + 1))
        assert trace.meta["end_s"] > run.before_s
        assert "resume" in list(trace.frame("events")["kind"])


def test_bsp_stopped_and_resumed_ends_in_the_same_model(
    resumed: dict[str, Gone], folder: Path
) -> None:
    """A sum of floats depends on the order of its terms: of the order in which commits arrive.

    With dealt samples it would depend on who is dealt which too.
    """
    run = resumed["bsp"]
    assert run.told.code == 3 and run.resumed.code == 0, run.told.err + run.resumed.err
    order = order_of_commits(run.folder)
    if not order or order != order_of_commits(folder / "whole"):
        pytest.skip("this machine was too busy: commits overlapped or came in another order")
    assert (run.folder / "model.pt").read_bytes() == (folder / "whole/model.pt").read_bytes()


def order_of_commits(run: Path) -> list[list[int]]:
    """The workers of each round, the soonest first; [] if two commits of a round overlapped.

    Then their chunks may have been added in any order.
    """
    with adsp_mpi.trace.open(run) as trace:
        steps = [trace.table(f"workers/{w}/steps") for w in trace.workers]
        commits = [trace.table(f"workers/{w}/commits") for w in trace.workers]
    assert [len(rows) for rows in (*steps, *commits)] == [BSP_STEPS] * 6
    begun_s, done_s = (np.sort([rows[name] for rows in commits], axis=0) for name in TIMES)
    if (begun_s[1:] <= done_s[:-1] + CLOCK_S).any():
        return []
    return np.argsort([rows["done_s"] for rows in commits], axis=0).T.tolist()


AUTO = ("--resume", "auto", "--out", "r", "--target-loss", "0", "--sync", "asp")
OFTEN = ("--hetero", "ratio:1", "--set", "checkpoint.period_s=0.5")


@pytest.mark.one_mpi_is_enough
def test_a_killed_run_keeps_what_was_flushed_and_goes_on_also_with_fewer_workers(
    tmp_path: Path,
) -> None:
    process = start(4, *MODULE, *AUTO, *OFTEN, "--max-seconds", "600", cwd=tmp_path)
    before = wait_until_all_train(tmp_path / "r", process, 3, steps=20)
    while not whole_checkpoints(tmp_path / "r"):
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    for rank in ranks(tmp_path).values():
        rank.kill()
    process.communicate(timeout=60)
    shutil.copytree(tmp_path / "r", tmp_path / "merged")
    limit = max(require_all_that_was_flushed(tmp_path / "merged", before)) + MORE_STEPS
    write_weights([str(tmp_path / "merged")])
    weights = torch.load(tmp_path / "merged" / "weights.pt", weights_only=True)
    make_task("digits-cnn", {}).make_model().load_state_dict(weights)

    fewer = ("-m", "tests.mpi.on_ranks", "3", "--resume", "r", "--max-steps", str(limit + 1))
    changed = ("--max-steps", str(limit), "--set", "train.local_lr=0.05")
    on, with_two = launch_all(4, [(*MODULE, *AUTO, *OFTEN, *changed), fewer], tmp_path)
    assert on.code == 0 and "resumed from" in on.out, on.err
    assert with_two.code == 0 and "with 2 workers instead of 3" in with_two.out, with_two.err
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        evals = trace.table("ps/evals")
        steps = [len(trace.table(f"workers/{w}/steps")) for w in trace.workers]
        assert steps == [2 * limit + 1, 2 * limit + 1, limit], "two workers count anew"
        assert evals["steps"][0] == 0
        assert evals["loss"][-1] < evals["loss"][0]


def require_all_that_was_flushed(run: Path, before: Look) -> list[int]:
    """The merged trace has every row that was on disk before the kill, of all ranks.

    Returns the number of steps of each worker.
    """
    main(["merge", str(run), "--force"])
    with adsp_mpi.trace.open(run) as trace:
        assert len(trace.workers) == len(before.workers) == 3
        steps = [len(trace.table(f"workers/{worker}/steps")) for worker in trace.workers]
        assert all(steps[worker.worker] >= worker.steps for worker in before.workers)
    metrics = run_metrics(run)
    assert metrics.steps > 0 and "did not end in order" in metrics.notes[0]
    return steps


@pytest.mark.one_mpi_is_enough
def test_a_run_that_has_ended_goes_on_with_a_larger_limit(tmp_path: Path) -> None:
    """All steps taken, then more steps, then a time limit; at last nothing is left to do."""
    options = ("--out", "r", "--target-loss", "0", "--max-steps", "10")
    limits = ("--max-steps", "0", "--max-seconds", "5")
    first, more, timed, again = launch_all(
        3,
        [
            (*MODULE, *options),
            (*MODULE[:2], "--resume", "r", "--max-steps", "20"),
            (*MODULE[:2], "--resume", "r", *limits),
            (*MODULE, "--resume", "auto", *options[:4], *limits, "--seed", "1"),
        ],
        tmp_path,
    )
    for run in (first, more, timed, again):
        assert run.code == 0, run.err
    assert "where the run had ended: every worker took its last step" in more.out
    assert "r had ended after " in again.out
    assert "5 s are over; it goes on only with a larger --max-seconds" in again.out
    assert again.error_lines == [] and "checkpoint:" not in again.out
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert trace.meta["end_s"] >= 5
        for worker in trace.workers:
            steps = trace.table(f"workers/{worker}/steps")
            assert len(steps) > 20 and (np.diff(steps["start_s"]) > 0).all()
            numbers = trace.table(f"workers/{worker}/commits")["number"]
            assert list(numbers) == list(range(1, len(numbers) + 1))
