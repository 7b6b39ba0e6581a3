"""Runs whose commits are compressed."""

from pathlib import Path

import pytest
import torch

from adsp_mpi.core.compression import commit_bytes, make_codec
from adsp_mpi.trace import Trace
from tests.launch.launcher import PROGRAMS, launch

PARAMETERS = 57_110


def train(folder: Path, *options: str) -> str:
    run = launch(4, "-m", "adsp_mpi", "--screen", "log", *options, cwd=folder)
    assert run.code == 0 and run.error_lines == [], run.err
    return run.out


@pytest.mark.parametrize(
    "compress", ["topk:0.05", pytest.param("bfloat16", marks=pytest.mark.one_mpi_is_enough)]
)
def test_it_learns_with_fewer_bytes_and_can_be_resumed(tmp_path: Path, compress: str) -> None:
    options = ("--compress", compress, "--target-loss", "0", "--out", "r", "--sync", "adsp-fixed")
    train(tmp_path, *options, "--max-seconds", "6", "--set", "checkpoint.period_s=1")
    assert "resumed from" in train(tmp_path, "--resume", "r", "--max-seconds", "10")
    with Trace(tmp_path / "r") as trace:
        losses = trace.table("ps/evals")["loss"]
        commits = [trace.table(f"workers/{w}/commits") for w in trace.workers]
        landed = trace.table("ps/evals")["landed"][-1]
    assert losses[-1] < 0.5 * losses[0]
    assert sum(map(len, commits)) == landed
    sent = {int(rows) for table in commits for rows in table["sent_bytes"]}
    assert sent == {commit_bytes(make_codec(compress), PARAMETERS)}


@pytest.mark.one_mpi_is_enough
def test_a_model_with_running_statistics_learns_too(tmp_path: Path) -> None:
    """Averaged buffers go as they are, beside what is compressed."""
    options = ("--compress", "topk:0.3", "--sync", "asp", "--max-steps", "300")
    task = ("--task", "tests.mpi.batch_norm:task", "--out", str(tmp_path / "r"))
    train(PROGRAMS.parents[1], *task, *options)
    with Trace(tmp_path / "r") as trace:
        losses = trace.table("ps/evals")["loss"]
    assert losses[-1] < 0.3 * losses[0]
    state = torch.load(tmp_path / "r" / "model.pt", weights_only=True)
    assert (state["1.running_var"] > 0).all() and (state["1.running_mean"] != 0).all()
