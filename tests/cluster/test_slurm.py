"""The batch scripts on a real Slurm; skipped, with the reason, if there is none."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Iterator

import numpy as np
import pytest

import adsp_mpi.trace
from adsp_mpi.tools.slurm import slurm_script
from tests.launch.launcher import OPEN_MPI_SETTINGS, find_mpirun

pytestmark = pytest.mark.one_mpi_is_enough

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("slurm.sh")
FOREVER = ("--target-loss", "0", "--max-seconds", "12")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which sbatch finds a Slurm of two nodes."""
    if os.geteuid() or not all(map(shutil.which, ("slurmctld", "slurmd", "munged", "sbatch"))):
        pytest.skip("a Slurm of our own needs root and Slurm's programs")
    folder = tmp_path_factory.mktemp("slurm")
    made = subprocess.run(
        ["bash", str(SCRIPT), "up", str(folder)], capture_output=True, text=True, timeout=90
    )
    if made.returncode:
        subprocess.run(["bash", str(SCRIPT), "down", str(folder)], timeout=30)
        pytest.skip(f"Slurm does not start here: {made.stderr[-300:]}")
    mpirun = find_mpirun()
    assert mpirun
    path = f"{Path(mpirun).parent}:{os.environ['PATH']}"
    conf = str(folder / "slurm.conf")
    yield {**os.environ, **OPEN_MPI_SETTINGS, "SLURM_CONF": conf, "PATH": path}
    subprocess.run(["bash", str(SCRIPT), "down", str(folder)], timeout=30)


def ask(slurm: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=slurm, timeout=30)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout.strip()


def wait_for_log(log: Path, words: str, limit_s: float = 60) -> None:
    started = time.monotonic()
    while not (log.exists() and words in log.read_text()):
        assert time.monotonic() - started < limit_s, log.read_text() if log.exists() else log
        time.sleep(0.3)


LOOP = """
import torch, adsp_mpi

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.AdamW(model.parameters(), 0.1)
run = adsp_mpi.join(model, optimizer, evaluate=lambda model: model(torch.ones(1, 2)).square())
for x in run([torch.ones(8, 2)]):
    optimizer.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    run.log(loss)
    optimizer.step()
"""


def test_jobs_that_are_stopped_requeue_and_go_on_by_themselves(
    slurm: dict[str, str], tmp_path: Path
) -> None:
    """The script in `jobs/`, and one that was printed for a loop of one's own, at the same time."""
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    (tmp_path / "my_loop.py").write_text(LOOP)
    (tmp_path / "my_loop.sbatch").write_text(slurm_script(["--ranks", "4", "my_loop.py"]))
    scripts = {"adsp": ROOT / "jobs" / "adsp.sbatch", "my_loop": tmp_path / "my_loop.sbatch"}
    batch = ["sbatch", "--parsable", "--ntasks=4", "--time=5", f"--chdir={tmp_path}"]
    slurm = {**slurm, "PROJECT": str(tmp_path)}
    jobs = {ask(slurm, *batch, str(scripts[name]), *FOREVER): name for name in scripts}
    logs = {job: tmp_path / "runs" / f"{name}-{job}" / "log.txt" for job, name in jobs.items()}
    for job, log in logs.items():
        wait_for_log(log, "loss")
        ask(slurm, "scancel", "--batch", "--signal=USR2", job)
    for log in logs.values():
        wait_for_log(log, "exit code 3")
    for log in logs.values():
        # a job that requeued waits until its old credential has expired, by default for two minutes
        wait_for_log(log, "exit code 0", limit_s=120)
        assert "start 1" in log.read_text() and "resumed from" in log.read_text()
        with adsp_mpi.trace.open(log.parent) as trace:
            evals = trace.table("ps/evals")
            assert (np.diff(evals["time_s"]) > 0).all() and evals["time_s"][0] < 1
            assert trace.meta["reason"] == "12 s are over"
