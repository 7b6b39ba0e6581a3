"""A disk that fills up under a run: training goes on to its end, and the exit code tells."""

import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from tests.launch.launcher import launch

pytestmark = pytest.mark.one_mpi_is_enough


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system needs root and mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_training_is_over_and_one_line_says_what_is_missing(small_disk: Path) -> None:
    options = ("--max-steps", "30", "--target-loss", "0", "--set", "checkpoint.period_s=0.5")
    run = launch(3, "-m", "adsp_mpi", "--out", "r", *options, cwd=small_disk)
    assert run.code == 1 and "every worker took its last step" in run.out
    errors = [line for line in run.error_lines if line.startswith("adsp_mpi: error: ")]
    assert len(errors) == 1, run.err
    for words in ("training is over, but", "checkpoint", "model.pt could not be written"):
        assert words in errors[0]
    assert "Traceback" not in run.err
