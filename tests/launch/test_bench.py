"""The benchmark runs and its commits are exact; how fast they are is not tested."""

import json
from pathlib import Path

import pytest

from tests.launch.launcher import launch, launch_all

BENCH = ("-m", "adsp_mpi", "bench")


def test_commits_of_every_system_are_exact(tmp_path: Path) -> None:
    """Each part raises an error where a commit was lost or doubled."""
    small = ("--params", "57000", "--seconds", "0.05", "--repeats", "1", "--out", "bench.json")
    run = launch(4, *BENCH, "trace", "chunks", "commit", *small, cwd=tmp_path)
    assert run.code == 0, run.err
    found = json.loads((tmp_path / "bench.json").read_text())
    assert list(found["parts"]) == ["trace", "chunks", "commit"]
    rows = [row for row in found["parts"]["commit"]["rows"] if "system" in row]
    assert {row["system"] for row in rows} == {"adsp", "raw", "p2p", "rpc"}
    assert {row["workers"] for row in rows} == {1, 2}
    assert all(row["commits"] > 0 for row in rows)
    stored = json.loads((tmp_path / "cache" / "adsp_mpi" / "chunk_elements.json").read_text())
    assert set(stored.values()) <= {16384, 65536, 262144, 1048576}
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["bench.json", "cache"]


@pytest.mark.one_mpi_is_enough
def test_the_other_parts_run(tmp_path: Path) -> None:
    small = ("--params", "57000", "--seconds", "0.1", "--repeats", "1", "--out", "bench.json")
    parts = ("memory", "waiting", "startup")
    run = launch(2, *BENCH, *parts, *small, cwd=tmp_path)
    assert run.code == 0, run.err
    assert list(json.loads((tmp_path / "bench.json").read_text())["parts"]) == [
        *("startup", "memory", "waiting")
    ]


WRONG = {
    ("fly",): "unknown part 'fly' of bench; there are: all, step, startup",
    ("--against", "magic"): "--against magic: there are raw, p2p, rpc",
    ("--repeats", "0"): "--repeats 0: a number of 1 or more",
    ("--params", "1,x"): "--params 1,x: numbers of 4096 or more",
    ("--speed", "3"): "unrecognized arguments",
}


@pytest.mark.one_mpi_is_enough
def test_wrong_arguments_are_told_in_one_line(tmp_path: Path) -> None:
    runs = launch_all(2, [(*BENCH, *arguments) for arguments in WRONG], tmp_path)
    for run, says in zip(runs, WRONG.values(), strict=True):
        assert run.code == 2 and len(run.error_lines) == 1 and says in run.error_lines[0], run.err
