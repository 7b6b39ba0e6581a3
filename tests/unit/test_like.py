"""Machines fitted to recorded runs, and what is predicted for them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from adsp_mpi.__main__ import main
from adsp_mpi.cli import parse
from adsp_mpi.config import Config
from adsp_mpi.core.hetero.changes import Jitter
from adsp_mpi.core.hetero.profile import Conditions, Profile
from adsp_mpi.core.models import MODELS
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.sim.fitted_machines import fit_step_time, read_recorded
from adsp_mpi.sim.run import simulate
from adsp_mpi.sim.what_if import Prediction, every_model, predict, prediction_table
from adsp_mpi.trace import Trace

SLOW = Conditions(step_time_s=0.3, delay_s=0.7, busy_s=0.05)
FAST = Conditions(step_time_s=0.1, delay_s=0.2, busy_s=0.02)


def settings(**sections: dict[str, Any]) -> Config:
    """The settings of a run on the quadratic, with `sections` over them."""
    usual = {"task": {"name": "quadratic"}, "sync": {"model": "adsp", "check_period_s": 5.0}}
    return Config().with_values(usual, "test").with_values(sections, "test")


def record(folder: Path, config: Config, *machines: Conditions, sigma: float = 0.0) -> Path:
    """A run on these machines, recorded in `folder`."""
    folder.mkdir()
    jitter = (Jitter(range(len(machines)), sigma=sigma, seed=3),) if sigma else ()
    simulate(config, folder, profile=Profile(machines, changes=jitter))
    return folder


@pytest.fixture(scope="module")
def svm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ADSP on the breast cancer data, with jitter, until the target."""
    config = settings(
        task={"name": "cancer-svm"},
        train={"local_lr": 0.001},
        sync={"check_period_s": 2.0},
        eval={"period_s": 0.25, "samples": 0},
        stop={"target_loss": 0.15, "max_seconds": 200.0},
    )
    return record(tmp_path_factory.mktemp("like") / "svm", config, SLOW, FAST, FAST, sigma=0.2)


@pytest.mark.parametrize("model", ["adsp", "bsp", "wbsp"])
def test_the_machines_of_a_simulated_run_come_back(tmp_path: Path, model: str) -> None:
    config = settings(sync={"model": model}, stop={"max_seconds": 1000.0})
    recorded = read_recorded(record(tmp_path / "run", config, SLOW, FAST, sigma=0.2))
    for fitted, machine, sigma in zip(
        recorded.machines, (SLOW, FAST), recorded.sigmas, strict=True
    ):
        assert fitted.step_time_s == pytest.approx(machine.step_time_s, rel=0.02)
        assert fitted.delay_s == pytest.approx(machine.delay_s)
        assert fitted.busy_s == pytest.approx(machine.busy_s)
        assert sigma == pytest.approx(0.2, rel=0.06)
    assert recorded.config.simulate.workers == 2
    assert recorded.length_s == 1000.0


def test_the_mean_step_is_kept_and_warm_up_and_small_spreads_are_not() -> None:
    seconds = np.exp(0.5 * np.random.default_rng(1).standard_normal(20_000))
    seconds[:5] = 1e6
    base_s, sigma = fit_step_time(seconds)
    assert sigma == pytest.approx(0.5, rel=0.02)
    assert base_s * np.exp(sigma**2 / 2) == pytest.approx(seconds[5:].mean())
    assert fit_step_time(np.array([2.0] * 30)) == (2.0, 0.0)
    assert fit_step_time(np.array([1.0, 1.001, 1.002]))[1] == 0.0


def test_a_step_is_fitted_per_sample_and_jitter_follows_the_seed(tmp_path: Path) -> None:
    config = settings(sync={"model": "batchtune-bsp"}, stop={"max_seconds": 300.0})
    recorded = read_recorded(record(tmp_path / "run", config, SLOW, FAST, sigma=0.2))
    assert recorded.machines[0].step_time_s == pytest.approx(0.3, rel=0.03)
    double = recorded.config.with_values({"train": {"batch_size": 64}, "run": {"seed": 8}}, "test")
    assert recorded.profile(double).workers[1].step_time_s == pytest.approx(0.2, rel=0.03)
    assert [change.seed for change in recorded.profile(double).changes] == [8, 8]


def test_a_worker_without_commits_gets_the_median_of_the_others(tmp_path: Path) -> None:
    config = settings(sync={"model": "asp", "local_steps": 20}, stop={"max_seconds": 10.0})
    never = Conditions(step_time_s=3.0, delay_s=9.0)
    recorded = read_recorded(record(tmp_path / "run", config, SLOW, never, SLOW))
    assert recorded.machines[1].delay_s == pytest.approx(0.7)
    assert recorded.machines[1].busy_s == pytest.approx(0.05)


def test_the_model_keeps_what_was_given_and_others_their_defaults(tmp_path: Path) -> None:
    path = record(tmp_path / "run", settings(stop={"max_seconds": 20.0}), SLOW, FAST)
    recorded = read_recorded(path)
    assert recorded.config.sync.options == {"check_period_s": 5.0}
    runs, refused = every_model(recorded.config)
    assert list(runs) == list(MODELS) and refused == []
    assert all(run.sync_model.check_period_s == 5.0 for run in runs.values())
    assert runs["bsp"].sync_model.blocking_commits and not runs["asp"].sync_model.blocking_commits
    long = recorded.config.with_values({"sync": {"model": "asp", "check_period_s": 5e3}}, "test")
    assert [(p.label, p.failure) for p in every_model(long)[1]] == [("adsp", "impossible")]


def test_the_recorded_model_takes_as_long_as_recorded(svm: Path) -> None:
    recorded = read_recorded(svm)
    config = recorded.config.with_values({"run": {"seed": 1}}, "test")
    measured_s = recorded.time_to_target_s(0.15)
    report = predict("adsp", config, recorded.profile(config)).report
    assert measured_s is not None and measured_s > 10 and report is not None
    assert report.time_to_target_s == pytest.approx(measured_s, rel=0.05)


def test_a_busy_worker_lets_its_commit_land_when_it_goes_on(tmp_path: Path) -> None:
    """One worker, steps of 1 s, a commit after each: by hand."""
    for name, delay_s, done_s in (("sooner", 0.1, 1.25), ("later", 0.75, 1.75)):
        config = settings(sync={"model": "asp"}, stop={"max_steps": 3})
        machine = Conditions(step_time_s=1.0, delay_s=delay_s, busy_s=0.25)
        with Trace(record(tmp_path / name, config, machine)) as trace:
            steps, commits = trace.table("workers/0/steps"), trace.table("workers/0/commits")
        assert steps["start_s"].tolist() == [0.0, 1.25, 2.5]
        assert commits["begun_s"].tolist() == [1.0, 2.25, 3.5]
        assert commits["done_s"][0] == done_s
        assert commits["blocked_s"].tolist() == [0.25, 0.25, done_s - 1.0]


def test_a_pull_takes_its_time_and_the_model_of_its_end(tmp_path: Path) -> None:
    config = settings(sync={"model": "bsp"}, stop={"max_steps": 2})
    busy = Conditions(step_time_s=1.0, delay_s=0.5, busy_s=0.25)
    done = simulate(config, tmp_path, profile=Profile((busy, replace(busy, busy_s=0.5))))
    with Trace(tmp_path) as trace:
        pulls, commits = trace.table("workers/0/pulls"), trace.table("workers/0/commits")
        assert pulls["start_s"][0] == 1.5 and (pulls["duration_s"] == 0.25).all()
        assert (commits["blocked_s"] == 0.5).all()
        assert trace.table("workers/0/steps")["start_s"].tolist() == [0.0, 1.75]
        assert trace.table("workers/1/steps")["start_s"].tolist() == [0.0, 2.0]
        waits_s = trace.table("workers/0/waits")["duration_s"].sum()
    committing_s = 0.25 * len(pulls) + 0.5 * len(commits)
    share = committing_s / (2.0 + committing_s + waits_s)
    assert done.report.workers[0].committing_share == pytest.approx(share)


def test_the_table_tells_reached_from_not_reached_and_diverged(svm: Path) -> None:
    recorded = read_recorded(svm)
    short = recorded.config.with_values({"stop": {"max_seconds": 5.0}}, "test")
    wild = recorded.config.with_values({"train": {"local_lr": 1e30}}, "test")
    profile = recorded.profile(recorded.config)
    found = [predict("wild", wild, profile), predict("adsp", short, profile)]
    assert [p.outcome for p in found] == ["diverged", "not in 5"]
    assert "smaller train.local_lr" in found[0].reason
    found = sorted([*found, Prediction("z", failure="impossible")], key=lambda p: p.order)
    assert [p.label for p in found] == ["adsp", "wild", "z"]
    table = prediction_table(found, recorded, 0.15)
    assert [row[2] for row in table.rows] == [f"{recorded.time_to_target_s(0.15):.1f}", "", ""]


@pytest.mark.slow
def test_the_command_compares_one_model_with_the_recorded_one(
    svm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", "--like", str(svm), "--sync", "asp", "--set", "sync.local_steps=5"])
    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 0
    assert "target loss 0.15" in lines[0] and "a commit 0.2 to 0.7 s" in lines[1]
    assert sorted(line.split()[0] for line in lines[-2:]) == ["adsp", "asp"]
    assert sorted(p.name for p in svm.iterdir()) == [
        "best.pt",
        "checkpoints",
        "last.pt",
        "model.pt",
        "trace.h5",
    ]


def test_settings_go_over_the_recorded_ones(svm: Path) -> None:
    given = ["simulate", "--like", str(svm), "--seed", "7", "--set", "eval.period_s=2"]
    request = parse(given)
    config = request.config
    assert (config.run.seed, config.eval.period_s, config.train.local_lr) == (7, 2.0, 0.001)
    assert request.recorded is not None and not request.one_model
    assert parse([*given, "--sync", "adsp"]).one_model
    assert parse([*given, "--set", "sync.model=bsp"]).one_model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulate", "--hetero", "ratio:2"], "--hetero: simulate --like makes no use"),
        (["simulate", "--workers", "9"], "--workers: simulate --like makes no use"),
        (["simulate", "--out", "x"], "--out: simulate --like makes no use"),
        (
            ["simulate", "--set", "hetero.delay_s=1"],
            "delay_s=1: simulate --like makes no use",
        ),
        (["simulate", "--target-loss", "0"], "give --target-loss"),
        (["--target-loss", "0.3"], "an option of simulate"),
        (["config"], "an option of simulate"),
    ],
)
def test_wrong_usage_is_named(svm: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse([*arguments, "--like", str(svm)])


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("config", "[sync]\nmodel = 'gone'", "its configuration: unknown"),
        ("config", "not TOML", "cannot be simulated"),
        ("num_workers", 4, "nothing of worker 3"),
        ("num_workers", None, "it lacks 'num_workers'"),
        ("version", 1, "trace version 1"),
    ],
)
def test_a_trace_that_does_not_do_is_one_line(
    svm: Path, tmp_path: Path, attribute: str, value: Any, message: str
) -> None:
    path = tmp_path / "trace.h5"
    path.write_bytes((svm / "trace.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        del file.attrs[attribute]
        if value is not None:
            file.attrs[attribute] = value
    with pytest.raises(AdspError, match=message) as error:
        read_recorded(path)
    assert type(error.value) is AdspError and "\n" not in str(error.value)


def test_a_task_that_a_script_made_has_to_be_named(svm: Path, tmp_path: Path) -> None:
    path = tmp_path / "trace.h5"
    path.write_bytes((svm / "trace.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["task"] = ""
    with pytest.raises(UsageError, match="give --task"):
        parse(["simulate", "--like", str(path)])
    assert parse(["simulate", "--like", str(path), "--task", "quadratic"]).recorded


@pytest.mark.parametrize(("arguments", "code"), [(["--like", "/no/run"], 1), (["--bogus"], 2)])
def test_wrong_arguments_need_neither_mpi_nor_torch(arguments: list[str], code: int) -> None:
    program = (
        "import sys\nfrom adsp_mpi.__main__ import main\n"
        f"try:\n    main(['simulate', *{arguments}])\n"
        "except SystemExit as end:\n"
        "    print(end.code, 'mpi4py.MPI' in sys.modules, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == [str(code), "False", "False"]
    assert done.stderr.startswith("adsp_mpi: error: ") and done.stderr.count("\n") == 1
