"""A simulated run depends on nothing but its configuration."""

from pathlib import Path

import pytest
import torch

from adsp_mpi.core.models import MODELS
from adsp_mpi.sim.run import simulate
from adsp_mpi.trace import Trace
from tests.unit.simulated import config_of

PROFILE = """
step_time_s = [0.1, 0.1, 0.25]
delay_s = [0.0, 0.05, 0.3]
[[change]]
jitter = 0.3
[[change]]
workers = [1]
straggle = {every_s = 4, for_s = 2, slowdown = 3}
"""


def contents(folder: Path, model: str, task: str, seed: int) -> dict[str, bytes]:
    """Every table of a run, and the model that it ends with."""
    folder.mkdir()
    (folder / "p.toml").write_text(PROFILE)
    config = config_of(
        model,
        task={"name": task},
        run={"seed": seed},
        hetero={"profile": str(folder / "p.toml")},
        sync={"check_period_s": 1.5},
        simulate={"workers": 3, "server_bandwidth_mb_s": 2.0 if task == "digits-cnn" else 1e-3},
        eval={"period_s": 0.7},
        stop={"max_seconds": 40.0 if task == "quadratic" else 2.0},
    )
    made = simulate(config, folder)
    assert made.trace_path and made.model_path
    with Trace(folder) as trace:
        tables = {path: trace.table(path) for path in trace.tables}
    found = {path: rows.tobytes() for path, rows in tables.items() if path != "events"}
    return found | {"model": made.model_path.read_bytes()}


@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_gives_the_same_bytes_and_another_one_others(
    tmp_path: Path, model: str
) -> None:
    first = contents(tmp_path / "1", model, "quadratic", seed=5)
    assert first == contents(tmp_path / "2", model, "quadratic", seed=5)
    other = contents(tmp_path / "3", model, "quadratic", seed=6)
    for path in ("workers/0/steps", "workers/1/steps", "workers/2/commits", "ps/evals", "model"):
        assert other[path] != first[path]


def test_so_does_a_torch_model_whatever_happened_before(tmp_path: Path) -> None:
    first = contents(tmp_path / "1", "adsp", "digits-cnn", seed=5)
    torch.rand(100)
    assert first == contents(tmp_path / "2", "adsp", "digits-cnn", seed=5)
    assert first["model"] != contents(tmp_path / "3", "adsp", "digits-cnn", seed=6)["model"]


def test_a_folder_changes_nothing_but_that_it_is_written_to(tmp_path: Path) -> None:
    config = config_of("asp", simulate={"workers": 3}, stop={"max_steps": 9})
    with_folder, without = simulate(config, tmp_path), simulate(config)
    assert with_folder.report == without.report
    assert with_folder.evaluations == without.evaluations
    assert without.trace_path is None
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["best.npy", "checkpoints", "last.npy", "model.npy", "trace.h5"]
