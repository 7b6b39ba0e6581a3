"""The scripts in jobs/ beside programs that only write down how they were called."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[2] / "jobs"
SCRIPTS = sorted(path.name for path in JOBS.iterdir() if path.suffix in (".sh", ".sbatch"))
SOURCED = ("cluster.sh", "environment.sh", "open_mpi.sh", "requeue.sh")

RECORDS = """#!/usr/bin/env bash
printf '%q ' "$(basename "$0")" "$@" >>"$CALLS"
echo >>"$CALLS"
[ "$(basename "$0")" != mpirun ] || [ "${1:-}" = --version ] || exit "${EXIT_CODE:-0}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the scripts and an environment of programs that do nothing."""
    shutil.copytree(JOBS, tmp_path / "jobs")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "mpirun", "srun", "sbatch", "scontrol"):
        (programs / name).write_text(RECORDS)
        (programs / name).chmod(0o755)
    for mpi in ("mpich", "system"):
        (programs.parent / f".installed-{mpi}-").touch()
    return tmp_path


def call(project: Path, script: str, *arguments: str, **variables: str) -> list[list[str]]:
    """The programs that the script called, with their arguments."""
    job = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "3", "SLURM_JOB_NODELIST": "n1"}
    path = f"{project / '.venv' / 'bin'}:{os.environ['PATH']}"
    calls = project / "calls"
    calls.write_text("")
    done = subprocess.run(
        ["bash", f"jobs/{script}", *arguments],
        cwd=project,
        env={**job, "SLURM_JOB_NAME": "job", "PATH": path, "CALLS": str(calls), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == int(variables.get("EXIT_CODE", "0")), done.stderr
    return [shlex.split(line) for line in calls.read_text().splitlines()]


def runs(calls: list[list[str]]) -> list[str]:
    """The arguments of every run that was started."""
    lines = [" ".join(call) for call in calls if call[0] in ("mpirun", "srun")]
    return [line.partition("-m adsp_mpi ")[2] for line in lines if "-m adsp_mpi " in line]


@pytest.mark.parametrize(
    ("arguments", "real_speeds"),
    [
        ("", True),
        ("--max-seconds 5", True),
        ("--task digits-svm", True),
        ("--config my.toml", False),
        ("--config=my.toml", False),
        ("--preset paper", False),
        ("--sync bsp --hetero ratio:3", False),
    ],
)
def test_a_heterogeneous_job_has_real_speeds_unless_a_profile_may_be_given(
    project: Path, arguments: str, real_speeds: bool
) -> None:
    (run,) = runs(call(project, "adsp-het.sbatch", *arguments.split()))
    assert ("--hetero none" in run) == real_speeds
    assert arguments in run and "--out runs/job-7 --resume auto" in run


@pytest.mark.parametrize(
    ("arguments", "quickstart"),
    [
        ("", True),
        ("--max-seconds 60", True),
        ("--hetero ratio:2", True),
        ("--task my_task:factory", False),
        ("--config my.toml", False),
        ("--preset paper", False),
    ],
)
def test_compare_keeps_its_settings_where_no_others_are_named(
    project: Path, arguments: str, quickstart: bool
) -> None:
    calls = call(project, "compare.sh", *arguments.split(), SCHEMES="adsp bsp", SEEDS="1 2")
    ours = "--preset quickstart --hetero ratio:3.2 --max-seconds 120"
    started = runs(calls)
    assert [run.partition("--sync ")[2][:4] for run in started] == ["adsp", "bsp ", "adsp", "bsp "]
    assert all(run.startswith(f"{ours} {arguments}".strip()) == quickstart for run in started)
    assert all(arguments in run for run in started)
    assert calls[-1][:4] == ["python", "-m", "adsp_mpi.analysis", "compare"]


@pytest.mark.parametrize(("code", "requeues"), [("0", False), ("1", False), ("3", True)])
def test_a_job_requeues_when_its_run_has_stopped_in_order(
    project: Path, code: str, requeues: bool
) -> None:
    calls = call(project, "adsp.sbatch", EXIT_CODE=code)
    assert (["scontrol", "requeue", "7"] in calls) == requeues


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name not in SOURCED])
def test_help_is_one_screen_and_starts_nothing(project: Path, script: str) -> None:
    done = subprocess.run(
        ["bash", f"jobs/{script}", "--help"],
        cwd=project,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    assert f"jobs/{script}" in done.stdout and len(done.stdout.splitlines()) <= 22
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
