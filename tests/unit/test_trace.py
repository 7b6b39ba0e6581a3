from pathlib import Path

import h5py
import numpy as np
import pytest

import adsp_mpi.trace
from adsp_mpi.errors import AdspError
from adsp_mpi.trace import schema
from adsp_mpi.trace.merge import merge_parts
from adsp_mpi.trace.writer import BUFFER_ROWS, PartWriter


def write_part(folder: Path, rank: int, rows: int, close: bool = True) -> PartWriter:
    part = PartWriter(folder / "parts" / f"rank-{rank:05d}.h5", rank, flush_s=1e9)
    if rank == 0:
        part.attributes("/", {"seed": 3, "config": "[run]\n"})
        part.append_named("ps/search", {"time_s": 1.0, "reward": 0.5})
    else:
        path = f"workers/{rank - 1}/steps"
        part.attributes(f"workers/{rank - 1}", {"host": "here"})
        part.add_table(path, schema.STEPS)
        for k in range(rows):
            part.append(path, k * 0.1, 0.01, 0.02, 1.0 / (k + 1), 32, 1, 0)
    part.event(10.0 - rank, "end", f"rank {rank} wörks")
    if close:
        part.close()
    return part


def test_rows_come_back_through_parts_and_merge(tmp_path: Path) -> None:
    rows = 2 * BUFFER_ROWS + 5
    for rank in range(3):
        write_part(tmp_path, rank, rows)
    path, left_out = merge_parts(tmp_path)
    assert left_out == [] and not (tmp_path / "parts").exists()
    with adsp_mpi.trace.open(tmp_path) as trace:
        assert trace.path == path and trace.meta["seed"] == 3 and trace.workers == [0, 1]
        steps = trace.table("workers/1/steps")
        assert len(steps) == rows
        assert steps["start_s"][-1] == pytest.approx((rows - 1) * 0.1)
        assert trace.worker_meta(1)["host"] == "here"
        events = trace.frame("events")
        assert list(events["time_s"]) == [8.0, 9.0, 10.0]
        assert events["text"][2] == "rank 0 wörks"
        assert trace.frame("ps/search")["reward"][0] == 0.5
        with pytest.raises(AdspError, match="no table ps/nope"):
            trace.table("ps/nope")


def test_plain_h5py_reads_it_with_units(tmp_path: Path) -> None:
    write_part(tmp_path, 0, 0)
    write_part(tmp_path, 1, 2)
    merge_parts(tmp_path)
    with h5py.File(tmp_path / "trace.h5") as file:
        assert file["workers/0/steps"]["loss"][1] == 0.5
        assert "s of computing" in file["workers/0/steps"].attrs["columns"]


def test_a_part_that_was_flushed_but_never_closed_is_merged(tmp_path: Path) -> None:
    """What a killed rank leaves: the file as of its last flush, copied while still open."""
    write_part(tmp_path, 0, 0)
    part = write_part(tmp_path, 1, 7, close=False)
    part.flush()
    killed = tmp_path / "killed"
    (killed / "parts").mkdir(parents=True)
    for file in (tmp_path / "parts").iterdir():
        (killed / "parts" / file.name).write_bytes(file.read_bytes())
    part.close()
    _, left_out = merge_parts(killed)
    assert left_out == []
    with adsp_mpi.trace.open(killed) as trace:
        assert len(trace.table("workers/0/steps")) == 7


def test_a_damaged_part_is_named_and_left_out_and_kept(tmp_path: Path) -> None:
    for rank in range(3):
        write_part(tmp_path, rank, 3)
    damaged = tmp_path / "parts" / "rank-00001.h5"
    damaged.write_bytes(damaged.read_bytes()[:700])
    _, left_out = merge_parts(tmp_path)
    assert len(left_out) == 1 and "rank-00001.h5 is damaged" in left_out[0]
    assert damaged.exists()
    with adsp_mpi.trace.open(tmp_path) as trace:
        assert trace.workers == [1] and "rank-00001" in trace.meta["left_out"]


def test_a_part_of_another_version_is_left_out(tmp_path: Path) -> None:
    write_part(tmp_path, 0, 0)
    write_part(tmp_path, 1, 3)
    with h5py.File(tmp_path / "parts" / "rank-00001.h5", "a") as file:
        file.attrs["version"] = schema.VERSION - 1
    _, left_out = merge_parts(tmp_path)
    assert len(left_out) == 1 and f"trace version {schema.VERSION - 1}" in left_out[0]


def test_what_was_run_is_on_disk_at_once(tmp_path: Path) -> None:
    """So that a run killed in its first seconds still says what it was."""
    part = write_part(tmp_path, 0, 0, close=False)
    part.attributes("/", {"seed": 5})
    copy = tmp_path / "copy.h5"
    copy.write_bytes((tmp_path / "parts" / "rank-00000.h5").read_bytes())
    part.close()
    with adsp_mpi.trace.open(copy) as trace:
        assert trace.meta["seed"] == 5


def test_nothing_to_merge_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AdspError, match="no parts"):
        merge_parts(tmp_path)


def test_files_that_are_no_traces_are_refused(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "a.h5", tmp_path / "b.h5", tmp_path / "c.h5"
    text.write_text("hello")
    with h5py.File(other, "w") as file:
        file["x"] = np.arange(3)
    with h5py.File(newer, "w") as file:
        file.attrs["format"], file.attrs["version"] = schema.FORMAT, 99
    for path, message in [
        (text, "not a readable HDF5 file"),
        (other, "not a trace of adsp_mpi"),
        (newer, "trace version 99"),
        (tmp_path / "none.h5", "no such file"),
    ]:
        with pytest.raises(AdspError, match=message):
            adsp_mpi.trace.open(path)


def test_a_disk_that_fails_cuts_the_trace_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    part = write_part(tmp_path, 1, 3, close=False)

    def fail() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(part._file, "flush", fail)
    part.flush()
    part.append("workers/0/steps", 1.0, 1.0, 1.0, 1.0, 32, 1, 0)
    part.close()
    assert "No space left" in part.cut
    assert capsys.readouterr().err.count("\n") == 1
