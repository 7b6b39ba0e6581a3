"""Runs whose model lies on several ranks."""

import time
from pathlib import Path

import torch

from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from adsp_mpi.tools.weights import write_weights
from adsp_mpi.trace import Trace
from tests.launch.faults import FLUSHED_SOON, surviving, wait_until_all_train
from tests.launch.launcher import (
    finish,
    launch_all,
    ranks,
    start_command,
    wait_until_no_rank_is_left,
)

OPTIONS = (
    *("-m", "adsp_mpi", "--servers", "3", "--screen", "log", "--target-loss", "0", "--out", "r"),
    *("--set", "hetero.step_time_s=0.01", "--hetero", "ratio:1", *FLUSHED_SOON),
)
STEPS, MORE_STEPS = 250, 270


def test_it_trains_and_goes_on_with_one_server(tmp_path: Path) -> None:
    """A run can be resumed with another number of servers."""
    resume = ("--resume", "r", "--servers", "1", "--max-steps", str(MORE_STEPS), "--screen", "log")
    trained, resumed, refused = launch_all(
        6,
        [
            (*OPTIONS, "--max-steps", str(STEPS), "--sync", "asp"),
            ("-m", "tests.mpi.on_ranks", "4", *resume),
            ("-m", "adsp_mpi", "--servers", "6"),
        ],
        tmp_path,
    )
    assert trained.code == 0 and trained.error_lines == [], trained.err
    assert resumed.code == 0 and "resumed from" in resumed.out, resumed.err
    with Trace(tmp_path / "r") as trace:
        evals = trace.table("ps/evals")
        before = evals[evals["steps"] <= 3 * STEPS]
        assert before["loss"][-1] < 0.7 * before["loss"][0] and len(trace.workers) == 3
        steps = [len(trace.table(f"workers/{w}/steps")) for w in trace.workers]
        assert steps == [MORE_STEPS] * 3
        shards = {int(e["rank"]) for e in trace.table("events") if e["kind"] == b"shard"}
        commits = [trace.table(f"workers/{w}/commits") for w in trace.workers]
    assert shards == {2, 4} and evals["landed"][-1] == sum(map(len, commits))
    model = torch.load(tmp_path / "r/model.pt", weights_only=True)
    assert all(value.isfinite().all() for value in model.values())
    on_three, on_one = whole_checkpoints(tmp_path / "r")
    assert model.keys() == weights_of(on_three).keys()
    assert all(torch.equal(model[name], value) for name, value in weights_of(on_one).items())
    assert not all(torch.equal(model[name], value) for name, value in weights_of(on_three).items())
    assert refused.code == 2 and "6 are servers" in refused.err and len(refused.error_lines) == 1


def weights_of(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The model that `python -m adsp_mpi weights` writes."""
    file = checkpoint.with_suffix(".pt")
    write_weights([str(checkpoint), "--out", str(file)])
    state: dict[str, torch.Tensor] = torch.load(file, weights_only=True)
    return state


def test_a_shard_that_dies_ends_the_job_with_one_line(tmp_path: Path) -> None:
    started = time.monotonic()
    command, settings = surviving([*OPTIONS, "--max-seconds", "60"], size=6)
    process = start_command(command, settings, tmp_path)
    wait_until_all_train(tmp_path / "r", process, 6 - 3)
    ranks(tmp_path)[2].kill()
    run = finish(process, started, limit_s=60)
    assert run.code != 0 and "Traceback" not in run.err
    assert run.err.count("which serves a part of the model, is gone") == 1, run.err
    assert "rank 2 on" in run.err and "what it recorded: " in run.err
    assert "rank 0 is gone" not in run.err
    wait_until_no_rank_is_left(tmp_path)
