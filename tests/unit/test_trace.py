from io import FileIO
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adsp_mpi.trace
from adsp_mpi.errors import AdspError
from adsp_mpi.trace import schema
from adsp_mpi.trace.merge import merge_parts
from adsp_mpi.trace.part_log import MAGIC, pack, read_frames
from adsp_mpi.trace.part_writer import BUFFER_ROWS, PartWriter


def write_part(folder: Path, rank: int, rows: int, close: bool = True) -> PartWriter:
    part = PartWriter(folder / "parts" / f"rank-{rank:05d}.part", rank, flush_s=1e9)
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


@pytest.mark.slow
def test_a_kill_at_any_byte_loses_nothing_that_was_flushed_before(tmp_path: Path) -> None:
    part = write_part(tmp_path / "whole", 1, 0, close=False)
    path = tmp_path / "whole" / "parts" / "rank-00001.part"
    flushed = [path.stat().st_size]
    for k in range(3):
        for row in range(4):
            part.append("workers/0/steps", 4 * k + row, 0.01, 0.02, 1.0, 32, 1, 0)
        part.flush()
        flushed.append(path.stat().st_size)
    part.close()
    whole = path.read_bytes()
    for cut in range(flushed[0], len(whole) + 1):
        killed = tmp_path / "killed" / "parts" / path.name
        killed.parent.mkdir(parents=True, exist_ok=True)
        killed.write_bytes(whole[:cut])
        _, left_out = merge_parts(tmp_path / "killed")
        assert bool(left_out) == (cut not in frame_ends(path)) == killed.exists()
        with adsp_mpi.trace.open(tmp_path / "killed") as trace:
            steps = trace.table("workers/0/steps")["start_s"]
        assert len(steps) == 4 * sum(cut >= size for size in flushed[1:])
        assert list(steps) == list(range(len(steps)))


def frame_ends(path: Path) -> set[int]:
    return {frame.end for frame in read_frames(path)}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damage_anywhere_is_named_and_what_is_before_it_kept(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        write_part(Path(folder), 0, 0)
        write_part(Path(folder), 1, 300)
        path = Path(folder) / "parts" / "rank-00001.part"
        whole = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        _, left_out = merge_parts(Path(folder))
        assert len(left_out) == 1 and "rank-00001.part is damaged" in left_out[0]
        assert path.exists()
        with adsp_mpi.trace.open(folder) as trace:
            assert "rank-00001" in trace.meta["left_out"] and trace.meta["seed"] == 3


def test_a_part_says_nothing_that_becomes_code_or_an_object(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    path = tmp_path / "parts" / "rank-00001.part"
    for kind in ("O", "V8", "f8,f8", "S0", "m8[s]"):
        frame = pack({"table": "workers/0/steps", "columns": [["a", kind, ""]]})
        path.write_bytes(MAGIC + frame)
        _, [text] = merge_parts(tmp_path)
        assert "column a of type" in text


def test_what_was_run_is_on_disk_at_once(tmp_path: Path) -> None:
    """So that a run killed in its first seconds still says what it was."""
    part = write_part(tmp_path, 0, 0, close=False)
    part.attributes("/", {"seed": 5})
    merge_parts(tmp_path)
    with adsp_mpi.trace.open(tmp_path) as trace:
        assert trace.meta["seed"] == 5


def test_nothing_to_merge_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AdspError, match="no parts"):
        merge_parts(tmp_path)


def test_a_trace_that_is_open_in_h5py_opens_too() -> None:
    golden = Path(__file__).with_name("golden") / "searching-v2.h5"
    with h5py.File(golden, "r"), adsp_mpi.trace.open(golden) as trace:
        assert trace.workers


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
    monkeypatch.setattr("adsp_mpi.trace.part_writer.FileIO", SmallDisk)
    part = write_part(tmp_path, 1, 3, close=False)
    random = Random(0)
    part.flush()
    for _ in range(3):
        for _ in range(50):
            start_s, compute_s = random.random(), random.random()
            part.append("workers/0/steps", start_s, compute_s, 1.0, 1.0, 32, 1, 0)
        part.flush()
    part.close()
    assert "No space left" in part.cut
    assert capsys.readouterr().err.count("\n") == 1
    _, [left_out] = merge_parts(tmp_path)
    assert "unfinished" in left_out
    with adsp_mpi.trace.open(tmp_path) as trace:
        assert len(trace.table("workers/0/steps")) == 53


class SmallDisk(FileIO):
    """Takes 2,600 bytes; of the write that is too much, a part."""

    def write(self, data: Any) -> int:
        room = 2600 - self.tell()
        if room <= 0:
            raise OSError(28, "No space left on device")
        return super().write(memoryview(data)[:room])
