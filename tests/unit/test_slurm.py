"""The batch scripts that `python -m adsp_mpi slurm` prints."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from adsp_mpi.errors import UsageError
from adsp_mpi.tools.slurm import KINDS, jobs_folder, slurm_script
from tests.unit.test_job_scripts import RECORDS

RUN = ("my_loop:train", "--max-seconds", "60", "--set", "sync.check_period_s=1")
SHARED = (jobs_folder() / "requeue.sh").read_text().split("\n\n", 1)[1]


def directives(script: str) -> list[str]:
    return [line[8:] for line in script.splitlines() if line.startswith("#SBATCH ")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_is_bash_that_needs_no_other_file(kind: str) -> None:
    script = slurm_script([kind, *RUN])
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    assert SHARED in script and "source " not in script and script.endswith("\n")
    assert f"=({' '.join(RUN)})\n" in script
    for line in ("--job-name=my_loop", "--time=01:00:00", "--requeue"):
        assert line in directives(script)
    assert max(len(line) for line in script.splitlines()[2:]) <= 110


def test_directives_are_as_asked_for() -> None:
    options = ["--ranks", "32", "--nodes", "4", "--time", "12:00:00", "--partition", "long"]
    assert "--partition=long --nodes=4 --ntasks=32" in directives(slurm_script([*options, *RUN]))
    assert "--time=12:00:00" in directives(slurm_script([*RUN, *options]))
    assert "--ntasks=8" in directives(slurm_script([*RUN]))
    assert "--nodes=4 --ntasks=4" in directives(slurm_script(["--nodes", "4", *RUN]))


def test_a_heterogeneous_job_has_a_component_for_each_partition() -> None:
    script = slurm_script(["het", "--partition", "a,b,c", "--nodes", "1,2,4", *RUN])
    lines = directives(script)
    parts = [f"--partition={p} --nodes={n} --ntasks={n}" for p, n in zip("abc", "124", strict=True)]
    assert [line for line in lines if "partition" in line or line == "hetjob"] == [
        parts[0], "hetjob", parts[1], "hetjob", parts[2],
    ]  # fmt: skip
    assert "order=${ORDER:-0,1,2} " in script


@pytest.mark.parametrize(
    ("run", "real_speeds"),
    [
        (RUN, False),
        (("my_loop.py",), False),
        ((), True),
        (("--max-seconds", "9"), True),
        (("--preset=paper",), False),
        (("--hetero", "ratio:2"), False),
    ],
)
def test_the_quickstart_has_real_speeds_in_a_heterogeneous_job(
    run: tuple[str, ...], real_speeds: bool
) -> None:
    """A run of one's own has them anyway."""
    assert ("--hetero none)" in slurm_script(["het", *run])) == real_speeds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "here"], "the script gives --out and --resume itself"),
        (["my_loop:train", "--resume=here"], "the script gives --out and --resume itself"),
        (["doctor"], "doctor is no run"),
        (["quickstart"], "unknown verb 'quickstart'"),
        (["my_loop:train", "--max-secs", "3"], "unrecognized arguments: --max-secs"),
        (["my_loop:train", "--set", "sync.periods=3"], "periods"),
        (["--ranks", "many"], "a whole number is wanted"),
        (["--partition", "a,b", *RUN], "1 or 1 value is wanted here"),
        (["het", "--partition", "a,b,c", "--ranks", "1,2"], "3 or 1 value is wanted here"),
    ],
)
def test_what_is_wrong_is_told_before_the_job(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        slurm_script(arguments)


@pytest.mark.parametrize(("code", "requeues"), [("0", False), ("3", True)])
def test_a_job_runs_the_users_loop_and_requeues(tmp_path: Path, code: str, requeues: bool) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("python", "mpirun", "scontrol"):
        (programs / name).write_text(RECORDS)
        (programs / name).chmod(0o755)
    lines = slurm_script([*RUN, "--seed", "2"]).splitlines()
    text = "\n".join(line for line in lines if not line.startswith("export PATH="))
    (tmp_path / "job").write_text(text)
    calls = tmp_path / "calls"
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "my_loop", "SLURM_JOB_NODELIST": "n1"}
    done = subprocess.run(
        ["bash", "job", "--max-steps", "3"],
        cwd=tmp_path,
        env={**job, "SLURM_NTASKS": "3", "CALLS": str(calls), "EXIT_CODE": code,
             "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
    )  # fmt: skip
    assert done.returncode == int(code), done.stderr
    called = [shlex.split(line) for line in calls.read_text().splitlines()]
    (run,) = [" ".join(call) for call in called if "-m" in call]
    assert "/rank.py python -m adsp_mpi my_loop:train --max-seconds 60" in run
    assert run.endswith("--seed 2 --max-steps 3 --out runs/my_loop-7 --resume auto")
    assert (["scontrol", "requeue", "7"] in called) == requeues
