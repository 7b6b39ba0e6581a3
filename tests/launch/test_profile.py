"""Heterogeneity over time in whole runs: changes, replays, and measured profiles."""

import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

import adsp_mpi.trace
from adsp_mpi.trace import schema
from tests.launch.launcher import Finished, launch

pytestmark = pytest.mark.one_mpi_is_enough

MODULE = ("-m", "adsp_mpi")


def train(folder: Path, hetero: str, seconds: int, out: str, ranks: int = 3) -> Finished:
    arguments = ("--hetero", hetero, "--max-seconds", str(seconds), "--out", out)
    run = launch(ranks, *MODULE, *arguments, cwd=folder)
    assert run.code == 0 and run.error_lines == [], run.err
    return run


def steps_of(run: Path) -> list[np.ndarray]:
    """The steps of each worker without its last, which the end of the run may have cut."""
    with adsp_mpi.trace.open(run) as trace:
        return [trace.table(f"workers/{worker}/steps")[:-1] for worker in trace.workers]


def durations(steps: np.ndarray) -> np.ndarray:
    return steps["compute_s"].astype(float) + steps["sleep_s"]


@pytest.mark.one_mpi_is_enough
def test_a_straggler_shows_while_it_lasts(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        "step_time_s = [0.03, 0.03]\n"
        "[[change]]\nworkers = [1]\nfrom_s = 2\nto_s = 4\nslowdown = 4\n"
    )
    train(tmp_path, "p.toml", 6, "r")
    for worker, steps in enumerate(steps_of(tmp_path / "r")):
        inside = (steps["start_s"] >= 2) & (steps["start_s"] < 4)
        taken = durations(steps)
        assert taken[~inside].min() < 0.06
        assert (taken[inside].mean() > 0.1) if worker == 1 else (taken[inside].min() < 0.06)


@pytest.mark.one_mpi_is_enough
def test_a_factor_stretches_real_steps(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("[[change]]\nworkers = [0]\nslowdown = 4\n")
    run = train(tmp_path, "p.toml", 4, "r")
    assert "p.toml," in run.out and "injected" not in run.out
    slow, real = steps_of(tmp_path / "r")
    factors = durations(slow) / slow["compute_s"]
    assert np.quantile(factors, 0.1) > 3.99 and factors.min() < 4.5
    assert np.median(durations(real) / real["compute_s"]) < 1.1


@pytest.mark.one_mpi_is_enough
def test_a_replay_takes_the_recorded_step_times(tmp_path: Path) -> None:
    """Worker 2 is beyond the recorded ones: it repeats worker 0."""
    (tmp_path / "p.toml").write_text(
        "step_time_s = [0.03, 0.09]\n"
        "[[change]]\nworkers = [0]\nfrom_s = 1\nto_s = 2.5\nslowdown = 4\n"
    )
    train(tmp_path, "p.toml", 5, "recorded")
    train(tmp_path, "recorded", 5, "replayed", ranks=4)
    recorded, replayed = (steps_of(tmp_path / name) for name in ("recorded", "replayed"))
    for worker, source in ((0, 0), (1, 1), (2, 0)):
        taken, wanted = durations(replayed[worker]), durations(recorded[source])
        number = min(len(taken), len(wanted))
        assert taken[:number].sum() > 0.95 * wanted[: number - 1].sum()
        assert (taken[:number] / wanted[:number]).min() < 1.3
        assert taken.min() < 0.06 if source == 0 else taken.mean() > 0.08
    straggling = (recorded[0]["start_s"] >= 1.2) & (recorded[0]["start_s"] < 2.5)
    assert durations(replayed[2][: len(straggling)])[straggling[: len(replayed[2])]].mean() > 0.09


@pytest.mark.one_mpi_is_enough
def test_only_a_trace_can_be_replayed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = np.arange(3)
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.attrs.update({"format": "adsp_mpi trace", "version": schema.VERSION})
    for name, message in [
        ("foreign.h5", "foreign.h5: an HDF5 file, but not a trace of adsp_mpi"),
        ("empty.h5", "empty.h5: no worker recorded its steps there"),
    ]:
        run = launch(2, *MODULE, "--hetero", name, cwd=tmp_path)
        assert run.code == 2 and len(run.error_lines) == 1, run.err
        assert f"hetero.profile: {message}" in run.err


def test_a_measured_profile_is_one_that_a_run_takes(tmp_path: Path) -> None:
    arguments = ("profile", "--out", "p.toml")
    run = launch(3, *MODULE, *arguments, cwd=tmp_path)
    assert run.code == 0 and run.error_lines == [], run.err
    assert "step ms" in run.out and "heterogeneity H" in run.out
    text = (tmp_path / "p.toml").read_text()
    profile = tomllib.loads(text)
    assert text.count("# worker") == 2 and "runs" not in {p.name for p in tmp_path.iterdir()}
    for key in ("step_time_s", "delay_s"):
        assert len(profile[key]) == 2 and min(profile[key]) > 0
    for change in profile.get("change", []):
        assert set(change) == {"workers", "jitter"} and len(change["workers"]) == 1

    trained = train(tmp_path, "p.toml", 4, "r")
    assert "p.toml (H = " in trained.out
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert all(trace.worker_meta(worker)["step_time_s"] > 0 for worker in trace.workers)

    again = launch(3, *MODULE, *arguments, cwd=tmp_path)
    assert again.code == 2 and "p.toml: this file exists already" in again.err
    assert (tmp_path / "p.toml").read_text() == text


@pytest.mark.one_mpi_is_enough
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "p.txt"], "--out p.txt: the name of a profile ends in .toml"),
        (["--out", "no/p.toml"], "--out no/p.toml: there is no folder no"),
    ],
)
def test_what_cannot_be_measured_is_told_at_once(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    run = launch(3, *MODULE, "profile", *arguments, cwd=tmp_path)
    assert run.code == 2 and len(run.error_lines) == 1, run.err
    assert message in run.err and list(tmp_path.iterdir()) == []
