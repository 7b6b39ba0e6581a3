"""The folder of a run belongs to one run at a time, and to another one only if that resumes it."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.runtime.run_folder import how_to_resume, make_folder

HOLDER = """
import sys

from adsp_mpi.config import Config
from adsp_mpi.runtime.run_folder import make_folder

_, lock = make_folder(Config().with_values({"run": {"out": sys.argv[1]}}, "test"))
print("locked", flush=True)
sys.stdin.read()
"""


def take(folder: Path, resume: str) -> IO[str]:
    values = {"run": {"out": str(folder), "resume": resume}}
    return make_folder(Config().with_values(values, "test"))[1]


def leave_parts(run: Path) -> None:
    (run / "parts").mkdir(parents=True)
    (run / "parts" / "rank-00000.part").write_bytes(b"recorded")


def leave_checkpoint(run: Path) -> None:
    (run / "checkpoints" / "00000001").mkdir(parents=True)


@pytest.mark.parametrize("resume", ["", "auto"])
def test_of_runs_that_start_at_the_same_moment_one_begins(tmp_path: Path, resume: str) -> None:
    def begin(_: int) -> IO[str] | str:
        try:
            return take(tmp_path / "r", resume)
        except UsageError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(begin, range(8)))
    refused = [text for text in outcomes if isinstance(text, str)]
    assert len(refused) == 7
    assert all("another run is writing into" in text for text in refused)
    for lock in outcomes:
        if not isinstance(lock, str):
            lock.close()
    take(tmp_path / "r", resume).close()


@pytest.mark.parametrize("resume", ["auto", "r"])
def test_a_run_that_goes_on_cannot_be_resumed_a_second_time(tmp_path: Path, resume: str) -> None:
    leave_parts(tmp_path)
    leave_checkpoint(tmp_path)
    refused = pytest.raises(UsageError, match="another run is writing into")
    with take(tmp_path, resume), refused:
        take(tmp_path, resume)
    take(tmp_path, resume).close()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "r")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"locked\n"
        with pytest.raises(UsageError, match="another run is writing into"):
            take(tmp_path / "r", "")
        holder.kill()
        holder.wait(timeout=30)
    take(tmp_path / "r", "").close()


def test_the_parts_of_a_run_killed_before_its_first_checkpoint_stay(tmp_path: Path) -> None:
    leave_parts(tmp_path)
    with pytest.raises(UsageError, match="start it again with --resume auto"):
        take(tmp_path, "")
    take(tmp_path, "auto").close()
    [kept] = tmp_path.glob("parts-*/*")
    assert kept.read_bytes() == b"recorded" and not (tmp_path / "parts").exists()


def test_a_finished_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "trace.h5").write_bytes(b"precious")
    for resume in ("", "auto"):
        with pytest.raises(UsageError, match="without a checkpoint to resume from"):
            take(tmp_path, resume)
    leave_checkpoint(tmp_path)
    with pytest.raises(UsageError, match="go on with --resume"):
        take(tmp_path, "")
    assert (tmp_path / "trace.h5").read_bytes() == b"precious"
    take(tmp_path, "auto").close()
    assert "--resume" in how_to_resume(tmp_path)


def test_a_path_that_cannot_be_a_folder_is_one_line() -> None:
    with pytest.raises(UsageError, match="--out /dev/null/x: Not a directory"):
        take(Path("/dev/null/x"), "")


def test_runs_without_a_name_that_start_in_the_same_second_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda _: "20260101-000000")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make_folder(Config()), range(8)))
    assert len({folder for folder, _ in made}) == 8
    for _, lock in made:
        lock.close()
