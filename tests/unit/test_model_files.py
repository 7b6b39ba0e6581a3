"""The newest and the best model on disk as a run goes on, and stopping when nothing gets better."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from adsp_mpi.core.best import Best
from adsp_mpi.core.stop import StopRule
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn import model_file
from adsp_mpi.learn.model_file import require_format, write_model
from adsp_mpi.runtime.model_files import ModelFiles
from adsp_mpi.sim.run import simulate
from tests.unit import own_loops
from tests.unit.simulated import config_of, play, play_loop, profile_of

NAN = float("nan")


@pytest.mark.parametrize(
    ("metric", "values", "better"),
    [
        ("f1", [3.0, 2.0, 2.0, 4.0, 1.0], [True, True, False, False, True]),
        ("max:f1", [3.0, 2.0, 3.0, 4.0, 1.0], [True, False, False, True, False]),
        ("f1", [NAN, 2.0, NAN, 1.0], [False, True, False, True]),
    ],
)
def test_the_best_is_the_smallest_or_the_largest(
    metric: str, values: list[float], better: list[bool]
) -> None:
    best = Best(metric)
    assert [best.evaluated({"loss": 1.0, "f1": value}) for value in values] == better
    assert best.since == better[::-1].index(True)


def test_a_metric_that_no_evaluation_has_is_an_error() -> None:
    with pytest.raises(AdspError, match="an evaluation has no 'auc'; there are: loss, f1"):
        StopRule(best=Best("max:auc")).evaluated({"loss": 1.0, "f1": 0.5})


def test_patience_counts_evaluations_without_a_better_one() -> None:
    rule = StopRule(patience=2)
    reasons = [rule.evaluated({"loss": loss}) for loss in (3.0, 2.0, 2.5, 1.0, 1.0, 1.5)]
    assert reasons == [None] * 5 + ["loss has not been better for 2 evaluations"]


def noisy(**stop: Any) -> dict[str, dict[str, Any]]:
    """A quadratic at whose optimum the loss goes up and down."""
    return {
        "train": {"local_lr": 0.3}, "sync": {"check_period_s": 5.0}, "eval": {"period_s": 1.0},
        "stop": {"max_seconds": 500.0, "patience": 12, **stop},
    }  # fmt: skip


def test_a_run_without_progress_stops_and_the_best_model_is_on_disk(tmp_path: Path) -> None:
    run = play(tmp_path, "asp", profile_of([1.0, 0.4]), **noisy(metric="distance"))
    assert run.result.report.reason == "distance has not been better for 12 evaluations"
    distances = run.table("ps/evals")["distance"][:-1]  # the last one comes after the run's end
    assert distances.argmin() == len(distances) - 1 - 12
    best = np.load(tmp_path / "best.npy")
    assert np.linalg.norm(best.astype(float)) == pytest.approx(distances.min(), rel=1e-6)
    last, model = np.load(tmp_path / "last.npy"), np.load(tmp_path / "model.npy")
    assert (last == model).all() and (last != best).any()


def test_a_resumed_run_goes_on_counting(tmp_path: Path) -> None:
    """Stopped in the middle of its patience, it ends where the run without a stop had ended."""
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = play(tmp_path / "whole", "asp", profile_of([1.0, 0.4]), **noisy())
    end_s = whole.result.report.seconds
    parts = noisy(max_seconds=end_s - 5.5)
    play(tmp_path / "parts", "asp", profile_of([1.0, 0.4]), **parts)
    config = config_of("asp", **noisy()).with_values(
        {"run": {"resume": str(tmp_path / "parts")}}, "test"
    )
    resumed = simulate(config, tmp_path / "parts", profile=profile_of([1.0, 0.4]))
    assert resumed.report.reason == "loss has not been better for 12 evaluations"
    assert resumed.report.seconds == end_s


def test_a_loops_best_model_is_on_disk_while_it_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []
    original = ModelFiles.evaluated

    def evaluated(files: ModelFiles, best: bool) -> None:
        original(files, best)
        seen.append(torch.load(tmp_path / "best.pt", weights_only=True)["weight"])

    monkeypatch.setattr(ModelFiles, "evaluated", evaluated)
    play_loop(monkeypatch, tmp_path, own_loops.constant, stop={"max_seconds": 5.0})
    assert len(seen) >= 5 and torch.load(tmp_path / "last.pt", weights_only=True)
    assert not list(tmp_path.glob("*.unfinished"))


def test_a_full_disk_is_one_warning_for_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    full = True

    def save(name: str) -> None:
        if full:
            raise OSError(28, "")

    files = ModelFiles(save)
    for _ in range(3):
        files.evaluated(best=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"adsp_mpi: warning: no {name} model: No space left on device; training goes on"
        for name in ("best", "last")
    ]
    assert set(files.failed) == {"best", "last"}
    full = False
    files.write("best")
    assert set(files.failed) == {"last"}


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    write_model({"w": torch.ones(2)}, path)
    with pytest.raises(AttributeError):
        write_model({"w": lambda: None}, path)
    assert torch.equal(torch.load(path, weights_only=True)["w"], torch.ones(2))
    assert [p.name for p in tmp_path.iterdir()] == ["best.pt"]


def test_safetensors_get_tensors_with_memory_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: dict[str, torch.Tensor] = {}

    def save_file(tensors: dict[str, torch.Tensor], path: Path) -> None:
        written.update(tensors)
        path.touch()

    monkeypatch.setitem(sys.modules, "safetensors", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "safetensors.torch", SimpleNamespace(save_file=save_file))
    tied = torch.arange(4.0).view(2, 2).t()
    write_model({"a": tied, "b": tied, "extra": "text"}, tmp_path / "m.safetensors")
    assert set(written) == {"a", "b"} and torch.equal(written["b"], tied)
    assert written["a"].data_ptr() != written["b"].data_ptr()
    assert (tmp_path / "m.safetensors").exists()


def test_a_format_that_cannot_be_written_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install safetensors"):
        require_format("safetensors")
    with pytest.raises(UsageError, match=r"ends in \.pt or \.safetensors, not \.onnx"):
        require_format("onnx")
