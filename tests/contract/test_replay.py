"""What a run recorded, fed through the core again, gives the decisions it recorded."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.contract.cases import CASES
from tests.contract.engines import Run, run_on
from tests.contract.recording import Different, Recording
from tests.contract.replay import replay

pytestmark = pytest.mark.one_mpi_is_enough


@pytest.mark.parametrize("name", CASES)
def test_every_recorded_decision_is_taken_again(run: Run) -> None:
    recording = run.recording
    tables = ("steps", "commits", "pulls", "waits")
    assert replay(recording) == sum(len(t) for name in tables for t in run.tables(name))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    names = ("adsp", "adacomm", "ssp", "batchtune-bsp")
    return run_on("sim", tmp_path_factory.mktemp("sim"), [CASES[name] for name in names])


def changed(run: Run, path: str, row: int, **values: Any) -> Recording:
    """The recording of `run` with these values in one row of a table."""
    table = run.recording.tables[path].copy()
    for column, value in values.items():
        assert table[row][column] != value
        table[row][column] = value
    return replace(run.recording, tables={**run.recording.tables, path: table})


CHANGES = [
    (
        "ssp", "workers/0/steps", 20, {"seen": 0},
        ["worker 0: recorded steps[20]", "seen 0.0", "replayed Wait(reason='the slowest worker'"],
    ),
    (
        "ssp", "workers/1/commits", 5, {"steps": 2},
        ["recorded commits[5]", "replayed Commit(weight=1.0)", "steps_since_commit=1"],
    ),
    (
        "ssp", "workers/2/commits", 3, {"seen": 2.0},
        ["recorded commits[3]", "replayed Commit(weight=1.0), which did not look"],
    ),
    (
        "ssp", "workers/2/steps", 9, {"seen": np.nan},
        ["recorded steps[9]", "replayed Step(), which looked"],
    ),
    (
        "ssp", "workers/0/waits", 2, {"seen": 90},
        ["recorded waits[2]", "seen 90.0", "replayed Step()"],
    ),
    (
        "adsp", "workers/2/commits", 1, {"begun_s": 0.1},
        ["worker 2: recorded commits[1]", "begun_s 0.1", "replayed Step()"],
    ),
    (
        "adacomm", "workers/3/pulls", 4, {"keep_local": 1},
        ["recorded pulls[4]", "replayed Pull(keep_local=False)"],
    ),
    (
        "batchtune-bsp", "workers/3/steps", -1, {"batch_size": 1},
        ["batch_size 1,", "replayed Step()"],
    ),
    ("adsp", "ps/evals", 3, {"loss": 9.0}, ["ps/search[0]: recorded {'commit_rate'", "replayed {"]),
    ("adacomm", "ps/targets", 4, {"local_steps": 7}, ["the scheduler's command", "local_steps=7"]),
    ("adsp", "ps/targets", 3, {"phase": b"trial"}, ["the scheduler's command 3", "b'trial'"]),
    ("adsp", "ps/targets", 2, {"commit_target": 99}, ["the scheduler's command 2", "99."]),
]  # fmt: skip


@pytest.mark.one_mpi_is_enough
@pytest.mark.parametrize(("name", "path", "row", "values", "told"), CHANGES)
def test_a_changed_row_is_found(
    simulated: dict[str, Run],
    name: str,
    path: str,
    row: int,
    values: dict[str, Any],
    told: list[str],
) -> None:
    """So the replay can fail, and says who, which row, and what either did."""
    with pytest.raises(Different) as found:
        replay(changed(simulated[name], path, row, **values))
    for words in told:
        assert words in str(found.value)


@pytest.mark.one_mpi_is_enough
@pytest.mark.parametrize("table", ["steps", "commits"])
def test_a_missing_row_is_found(simulated: dict[str, Run], table: str) -> None:
    recording, path = simulated["ssp"].recording, f"workers/2/{table}"
    rows = np.delete(recording.tables[path], 7)
    with pytest.raises(Different, match="worker 2: recorded"):
        replay(replace(recording, tables={**recording.tables, path: rows}))


@pytest.mark.one_mpi_is_enough
def test_another_rule_is_found(simulated: dict[str, Run]) -> None:
    """A staleness of 4 where the run had 3: somebody would not have waited."""
    recording = simulated["ssp"].recording
    other = recording.config.with_values({"sync": {"staleness": 4}}, "test")
    with pytest.raises(Different, match=r"recorded waits\[0\].*replayed Step"):
        replay(replace(recording, config=other))
