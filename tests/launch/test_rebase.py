"""Training on while a commit is in flight loses no local step."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from adsp_mpi.trace import Trace
from tests.launch.launcher import launch_all

STEPS, RANKS = 120, 5
BUFFERED = "tests.unit.buffered_scheme:Buffered"
STEP_TIMES_S, DELAYS_S = [0.006, 0.011, 0.004, 0.006], [0.05, 0.02, 0.1, 0.05]


class Case(NamedTuple):
    """One run of constant gradients."""

    model: str
    compress: str = "none"
    servers: int = 1
    outer: str = "none"
    staging: str = ""

    @property
    def name(self) -> str:
        return "-".join(str(value).rpartition(":")[2] for value in self if value)

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps at which the run stops, to be resumed with the state on the server."""
        stops = self.model == BUFFERED or self.outer.startswith("momentum")
        return (STEPS // 2, STEPS) if stops else (STEPS,)


CASES = [
    Case("adsp-fixed"),
    Case("asp", outer="momentum:0.5"),
    Case("ssp"),
    Case("asp", servers=3, outer="nesterov:0.5"),
    Case("adsp-fixed", compress="float16", outer="nesterov:0.5"),
    Case(BUFFERED),
    Case("asp", compress="bfloat16"),
    Case("asp", staging="late"),  # the last one: it changes the program for good
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of every case's run."""
    folder = tmp_path_factory.mktemp("rebase")
    commands = []
    for case in CASES:
        workers, profile = RANKS - case.servers, folder / f"{case.name}.toml"
        times = f"step_time_s = {STEP_TIMES_S[:workers]}\ndelay_s = {DELAYS_S[:workers]}\n"
        profile.write_text(times)
        model, compress, servers, outer, staging = map(str, case)
        for steps in case.steps:
            words = (folder / case.name, model, steps, profile, compress, servers, outer)
            program = ("-m", "tests.mpi.constant_gradients", *map(str, words))
            commands.append((*program, staging) if staging else program)
    for run in launch_all(RANKS, commands, folder):
        assert run.code == 0 and run.error_lines == [], run.err
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_model_is_the_exact_sum_of_all_steps(runs: Path, case: Case) -> None:
    """Gradient 1, rate 2**-6, global rate 1: every parameter ends at -(all steps) / 64 and what
    rank 0 added in its outer steps; half of it where the server takes the mean of two commits.
    So it is where a run goes on from its checkpoint.

    A worker's update is a small number of sixty-fourths, which half a float holds exactly.
    """
    folder = runs / case.name
    added = added_by_outer_steps(folder, case.outer)
    state = torch.load(folder / "model.pt", weights_only=True)
    parameters = torch.cat([value.flatten() for value in state.values()])
    expected = -STEPS * (RANKS - case.servers) / 64 + added
    if case.model == BUFFERED:
        with np.load(folder / "rule.npz") as rule:
            expected = (expected - rule["gathered"]) / 2
    assert (parameters.numpy() == expected).all()
    with Trace(folder) as trace:
        for w in trace.workers:
            steps, commits = (trace.table(f"workers/{w}/{name}") for name in ("steps", "commits"))
            assert len(steps) == STEPS == commits["steps"].sum()
            begun, done = commits["begun_s"][:, None], commits["done_s"][:, None]
            during = (steps["start_s"] > begun) & (steps["start_s"] < done)
            assert during.sum() >= 1, "nothing was learnt in flight, so nothing was tested"


def added_by_outer_steps(run: Path, outer: str) -> np.ndarray:
    """The sum of all outer steps, float[P]; each is checked against what landed since the last."""
    seen, added = list[np.ndarray](), list[np.ndarray]()
    for path in sorted(run.glob("outer-*.npz"), key=lambda path: path.stat().st_mtime):
        with np.load(path) as record:
            seen += list(record["seen"])
            added += list(record["added"])
    if outer == "none":
        assert not seen
        return np.zeros(1)
    before = momentum = np.zeros_like(seen[0])
    for model, kick in zip(seen, added, strict=True):
        landed = model - before
        assert (landed < 0).all() and (landed * 64 % 1 == 0).all()
        plain, momentum = 0.5 * momentum, 0.5 * momentum + landed
        assert (kick == (plain if outer == "momentum:0.5" else 0.5 * momentum)).all()
        before = model + kick
    assert len(seen) >= 3
    return np.sum(added, axis=0)
