"""Heterogeneity over time in whole runs: changes, replays, and measured profiles."""

import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

import adsp_mpi.trace
from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import layer_of
from adsp_mpi.runtime.profiles import profile_of
from adsp_mpi.trace import schema
from tests.launch.launcher import launch_all

MODULE = ("-m", "adsp_mpi")
RANKS = 4

STRAGGLER = """
step_time_s = [0.03, 0.03, 0.03]
[[change]]
workers = [1]
from_s = 1.5
to_s = 3.5
slowdown = 4
"""
FACTOR = "[[change]]\nworkers = [0]\nslowdown = 4\n"
RECORDED = """
step_time_s = [0.03, 0.09, 0.09]
[[change]]
workers = [0]
from_s = 1
to_s = 2.5
slowdown = 4
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a straggler, a stretched and a recorded run, and of a replay."""
    folder = tmp_path_factory.mktemp("profiles")
    for name, text in (("straggler", STRAGGLER), ("factor", FACTOR), ("recorded", RECORDED)):
        (folder / f"{name}.toml").write_text(text)
    wanted = [("straggler.toml", "5"), ("factor.toml", "3"), ("recorded.toml", "4"), ("one", "4")]
    commands = [
        (*MODULE, "--hetero", hetero, "--max-seconds", seconds, "--out", f"run-{hetero[:3]}")
        for hetero, seconds in wanted
    ]
    commands[-1] = (*MODULE, "--hetero", "run-rec", "--max-seconds", "4", "--out", "replayed")
    small = ("--task", "cancer-svm", "--target-loss", "0")
    commands = [c if "factor.toml" in c else (*c, *small) for c in commands]
    for done in launch_all(RANKS, commands, folder):
        assert done.code == 0 and done.error_lines == [], done.err
    return folder


def steps_of(run: Path) -> list[np.ndarray]:
    """The steps of each worker without its last, which the end of the run may have cut."""
    with adsp_mpi.trace.open(run) as trace:
        return [trace.table(f"workers/{worker}/steps")[:-1] for worker in trace.workers]


def durations(steps: np.ndarray) -> np.ndarray:
    return steps["compute_s"].astype(float) + steps["sleep_s"]


@pytest.mark.one_mpi_is_enough
def test_a_straggler_shows_while_it_lasts(runs: Path) -> None:
    for worker, steps in enumerate(steps_of(runs / "run-str")):
        inside = (steps["start_s"] >= 1.5) & (steps["start_s"] < 3.5)
        taken = durations(steps)
        assert taken[~inside].min() < 0.06
        assert (taken[inside].mean() > 0.1) if worker == 1 else (taken[inside].min() < 0.06)


@pytest.mark.one_mpi_is_enough
def test_a_factor_stretches_real_steps(runs: Path) -> None:
    slow, real, _ = steps_of(runs / "run-fac")
    factors = durations(slow) / slow["compute_s"]
    assert np.quantile(factors, 0.1) > 3.99 and factors.min() < 4.5
    assert np.median(durations(real) / real["compute_s"]) < 1.1


@pytest.mark.one_mpi_is_enough
def test_a_replay_takes_the_recorded_step_times(runs: Path) -> None:
    recorded, replayed = steps_of(runs / "run-rec"), steps_of(runs / "replayed")
    for worker in range(RANKS - 1):
        taken, wanted = durations(replayed[worker]), durations(recorded[worker])
        number = min(len(taken), len(wanted))
        assert taken[:number].sum() > 0.95 * wanted[: number - 1].sum()
        assert (taken[:number] / wanted[:number]).min() < 1.3
        assert taken.min() < 0.06 if worker == 0 else taken.mean() > 0.08
    straggling = (recorded[0]["start_s"] >= 1.2) & (recorded[0]["start_s"] < 2.5)
    assert durations(replayed[0][: len(straggling)])[straggling[: len(replayed[0])]].mean() > 0.09


@pytest.mark.one_mpi_is_enough
def test_workers_beyond_the_recorded_ones_repeat_them(runs: Path) -> None:
    config = Config().with_layers(layer_of({"hetero": {"profile": str(runs / "run-rec")}}, "test"))
    profile = profile_of(config, 5, 1.0)
    assert profile.at(3, 0.0, 7) == profile.at(0, 0.0, 7) != profile.at(1, 0.0, 7)


@pytest.mark.one_mpi_is_enough
def test_only_a_trace_can_be_replayed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = np.arange(3)
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.attrs.update({"format": "adsp_mpi trace", "version": schema.VERSION})
    for name, message in [
        ("foreign.h5", "an HDF5 file, but not a trace of adsp_mpi"),
        ("empty.h5", "no worker recorded its steps there"),
    ]:
        hetero = {"hetero": {"profile": str(tmp_path / name)}}
        config = Config().with_layers(layer_of(hetero, "test"))
        with pytest.raises(UsageError, match=f"hetero.profile: .*{name}: {message}"):
            profile_of(config, 2, 1.0)


def test_a_measured_profile_is_one_that_a_run_takes(tmp_path: Path) -> None:
    measure = (*MODULE, "profile", "--out")
    train = (*MODULE, "--hetero", "p.toml", "--max-seconds", "2", "--out", "r")
    wrong = (["p.txt"], ["no/p.toml"])
    run, trained, again, *refused = launch_all(
        3, [(*measure, "p.toml"), train, (*measure, "p.toml"), *((*measure, *w) for w in wrong)],
        tmp_path,
    )  # fmt: skip
    assert run.code == 0 and run.error_lines == [], run.err
    assert "step ms" in run.out and "heterogeneity H" in run.out
    text = (tmp_path / "p.toml").read_text()
    profile = tomllib.loads(text)
    assert text.count("# worker") == 2 and "runs" not in {p.name for p in tmp_path.iterdir()}
    for key in ("step_time_s", "delay_s"):
        assert len(profile[key]) == 2 and min(profile[key]) > 0
    for change in profile.get("change", []):
        assert set(change) == {"workers", "jitter"} and len(change["workers"]) == 1
    assert trained.code == 0 and "p.toml (H = " in trained.out, trained.err
    with adsp_mpi.trace.open(tmp_path / "r") as trace:
        assert all(trace.worker_meta(worker)["step_time_s"] > 0 for worker in trace.workers)
    assert again.code == 2 and "p.toml: this file exists already" in again.err
    messages = (
        "--out p.txt: the name of a profile ends in .toml",
        "--out no/p.toml: there is no folder no",
    )
    for refusal, message in zip(refused, messages, strict=True):
        assert refusal.code == 2 and len(refusal.error_lines) == 1 and message in refusal.err
