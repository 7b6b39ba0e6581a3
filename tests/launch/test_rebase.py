"""Training on while a commit is in flight loses no local step."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adsp_mpi.trace import Trace
from tests.launch.launcher import PROGRAMS, launch

STEPS, WORKERS = 150, 3
BUFFERED = "tests.unit.buffered_scheme:Buffered"
PROFILE = """
step_time_s = [0.004, 0.006, 0.011]
delay_s = [0.1, 0.05, 0.02]
"""


@pytest.mark.parametrize(
    ("model", "compress", "servers", "outer", "staging"),
    [
        ("adsp-fixed", "none", 1, "none", ()),
        ("asp", "none", 1, "momentum:0.5", ()),
        pytest.param("ssp", "none", 1, "none", (), marks=pytest.mark.one_mpi_is_enough),
        ("asp", "none", 3, "nesterov:0.5", ()),
        ("adsp-fixed", "float16", 1, "nesterov:0.5", ()),
        (BUFFERED, "none", 1, "none", ()),
        pytest.param("asp", "bfloat16", 1, "none", (), marks=pytest.mark.one_mpi_is_enough),
        pytest.param("asp", "none", 1, "none", ("late",), marks=pytest.mark.one_mpi_is_enough),
    ],
)
def test_the_model_is_the_exact_sum_of_all_steps(
    tmp_path: Path, model: str, compress: str, servers: int, outer: str, staging: tuple[str, ...]
) -> None:
    """Gradient 1, rate 2**-6, global rate 1: every parameter ends at -(all steps) / 64 and what
    rank 0 added in its outer steps; half of it where the server takes the mean of two commits.

    A worker's update is a small number of sixty-fourths, which half a float holds exactly.
    """
    profile = tmp_path / "p.toml"
    profile.write_text(PROFILE)
    arguments = (tmp_path / "r", model, STEPS, profile, compress, servers, outer, *staging)
    program = ("-m", "tests.mpi.constant_gradients", *map(str, arguments))
    run = launch(WORKERS + servers, *program, cwd=PROGRAMS.parents[1])
    assert run.code == 0 and run.error_lines == [], run.err
    added = added_by_outer_steps(tmp_path / "r" / "outer.npz", outer)
    state = torch.load(tmp_path / "r" / "model.pt", weights_only=True)
    parameters = torch.cat([value.flatten() for value in state.values()])
    expected = -STEPS * WORKERS / 64 + added
    if model == BUFFERED:
        with np.load(tmp_path / "r" / "rule.npz") as rule:
            expected = (expected - rule["gathered"]) / 2
    assert (parameters.numpy() == expected).all()
    with Trace(tmp_path / "r") as trace:
        for w in trace.workers:
            steps, commits = (trace.table(f"workers/{w}/{name}") for name in ("steps", "commits"))
            assert len(steps) == STEPS == commits["steps"].sum()
            flight = commits[len(commits) // 2]
            during = (steps["start_s"] > flight["begun_s"]) & (steps["start_s"] < flight["done_s"])
            assert during.sum() >= 1, "nothing was learnt in flight, so nothing was tested"


def added_by_outer_steps(record: Path, outer: str) -> np.ndarray:
    """What they added in all, float[P]; each is checked against what had landed since the last."""
    with np.load(record) as steps:
        seen, added = steps["seen"], steps["added"]
    if outer == "none":
        assert not len(seen)
        return np.zeros(1)
    before = momentum = np.zeros_like(seen[0])
    for model, kick in zip(seen, added, strict=True):
        landed = model - before
        assert (landed < 0).all() and (landed * 64 % 1 == 0).all()
        plain, momentum = 0.5 * momentum, 0.5 * momentum + landed
        assert (kick == (plain if outer == "momentum:0.5" else 0.5 * momentum)).all()
        before = model + kick
    assert len(seen) >= 3
    return added.sum(axis=0)
