"""Runs whose commits are compressed."""

from pathlib import Path

import pytest
import torch

from adsp_mpi.core.compression import commit_bytes, make_codec
from adsp_mpi.trace import Trace
from tests.launch.launcher import launch_all

PARAMETERS = 57_110


CODECS = ("topk:0.05", "bfloat16")
STEPS, MORE_STEPS = 100, 150


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run and its continuation for each codec, and of one with batch norm.

    The data of the last one are read ahead in a process beside each worker.
    """
    folder = tmp_path_factory.mktemp("compressed")
    program = ("-m", "adsp_mpi", "--screen", "log")
    speeds = ("--hetero", "ratio:1.5", "--set", "hetero.step_time_s=0.01")
    program = (*program, "--target-loss", "0")
    options = (*program, *speeds, "--sync", "adsp-fixed", "--set", "sync.check_period_s=0.25")
    commands: list[tuple[str, ...]] = []
    for codec in CODECS:
        limit = ("--max-steps", str(STEPS))
        commands.append((*options, *limit, "--compress", codec, "--out", codec))
        commands.append((*program, "--resume", codec, "--max-steps", str(MORE_STEPS)))
    task = ("--task", "tests.mpi.batch_norm:task", "--set", "task.read_one_by_one=true")
    ahead = ("--set", "train.loaders=1", "--sync", "asp", "--max-steps", "200")
    rest = ("--compress", "topk:0.3", "--out", "batch_norm")
    commands.append((*program, *speeds, *task, *ahead, *rest))
    done = launch_all(4, commands, folder)
    for run in done:
        assert run.code == 0 and run.error_lines == [], run.err
    assert all("resumed from" in run.out for run in done[1::2])
    return folder


@pytest.mark.parametrize("codec", CODECS)
def test_it_learns_with_fewer_bytes_and_can_be_resumed(runs: Path, codec: str) -> None:
    with Trace(runs / codec) as trace:
        steps = [len(trace.table(f"workers/{w}/steps")) for w in trace.workers]
        assert steps == [MORE_STEPS] * 3
        losses = trace.table("ps/evals")["loss"]
        commits = [trace.table(f"workers/{w}/commits") for w in trace.workers]
        landed = trace.table("ps/evals")["landed"][-1]
    assert losses[-1] < 0.5 * losses[0]
    assert sum(map(len, commits)) == landed
    sent = {int(rows) for table in commits for rows in table["sent_bytes"]}
    assert sent == {commit_bytes(make_codec(codec), PARAMETERS)}


def test_a_model_with_running_statistics_learns_too(runs: Path) -> None:
    """Averaged buffers go as they are, beside what is compressed."""
    with Trace(runs / "batch_norm") as trace:
        losses = trace.table("ps/evals")["loss"]
    assert losses[-1] < 0.3 * losses[0]
    state = torch.load(runs / "batch_norm" / "model.pt", weights_only=True)
    assert (state["1.running_var"] > 0).all() and (state["1.running_mean"] != 0).all()
