"""Runs whose model lies on several ranks."""

import time
from pathlib import Path

import pytest
import torch

from adsp_mpi.trace import Trace
from tests.launch.faults import WORKERS, surviving, wait_until_all_train
from tests.launch.launcher import finish, launch, ranks, start_command, wait_until_no_rank_is_left

OPTIONS = (
    "-m",
    "adsp_mpi",
    "--servers",
    "3",
    "--screen",
    "log",
    "--target-loss",
    "0",
    "--out",
    "r",
)


def test_it_trains_and_tells_where_the_model_lies(tmp_path: Path) -> None:
    run = launch(6, *OPTIONS, "--max-seconds", "5", "--sync", "asp", cwd=tmp_path)
    assert run.code == 0 and run.error_lines == [], run.err
    with Trace(tmp_path / "r") as trace:
        losses = trace.table("ps/evals")["loss"]
        assert losses[-1] < 0.7 * losses[0] and len(trace.workers) == 3
        shards = {int(e["rank"]) for e in trace.table("events") if e["kind"] == b"shard"}
        landed = trace.table("ps/evals")["landed"][-1]
        assert landed == sum(len(trace.table(f"workers/{w}/commits")) for w in trace.workers)
    assert shards == {2, 4}


@pytest.mark.one_mpi_is_enough
def test_stopped_and_resumed_with_one_server(tmp_path: Path) -> None:
    """Where the model lies is no part of what was learnt."""
    settings = ("--set", "checkpoint.period_s=1", "--max-seconds", "5")
    run = launch(6, *OPTIONS, *settings, cwd=tmp_path)
    assert run.code == 0, run.err
    options = ("--resume", "r", "--servers", "1", "--max-seconds", "7", "--screen", "log")
    run = launch(4, "-m", "adsp_mpi", *options, cwd=tmp_path)
    assert run.code == 0 and "resumed from" in run.out, run.err
    assert all(v.isfinite().all() for v in torch.load(tmp_path / "r/model.pt").values())


def test_a_shard_that_dies_ends_the_job_with_one_line(tmp_path: Path) -> None:
    started = time.monotonic()
    command, settings = surviving([*OPTIONS, "--max-seconds", "60"])
    process = start_command(command, settings, tmp_path)
    wait_until_all_train(tmp_path / "r", process, WORKERS + 1 - 3)
    ranks(tmp_path)[2].kill()
    run = finish(process, started, limit_s=60)
    assert run.code != 0 and "Traceback" not in run.err
    assert run.err.count("which serves a part of the model, is gone") == 1, run.err
    assert "rank 2 on" in run.err and "what it recorded: " in run.err
    assert "rank 0 is gone" not in run.err
    wait_until_no_rank_is_left(tmp_path)


@pytest.mark.one_mpi_is_enough
def test_too_few_ranks_for_the_servers(tmp_path: Path) -> None:
    run = launch(3, *OPTIONS, cwd=tmp_path)
    assert run.code == 2 and "3 are servers" in run.err
    assert len(run.error_lines) == 1
