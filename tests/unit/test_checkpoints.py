"""Checkpoint files and folders: what is read is whole, whatever the writer died of."""

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsp_mpi.errors import AdspError
from adsp_mpi.runtime import checkpoint_files as module
from adsp_mpi.runtime.checkpoint_files import (
    SERVER,
    Checkpoints,
    load,
    newest_checkpoint,
    save,
    whole_checkpoints,
    worker_file,
)


def write(run: Path, value: int, keep: int = 2, keep_every_s: float = 0.0) -> None:
    checkpoints = Checkpoints(run, keep, keep_every_s)
    path = checkpoints.begin()
    for name in (worker_file(0), SERVER):
        save(path / name, {"value": value, "array": np.arange(value)})
    checkpoints.finish(path)


def newest_value(run: Path) -> int:
    return load(newest_checkpoint(run) / SERVER)["value"]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "none": None,
        "numbers": [1, 2**70, 0.1, math.inf, -0.0],
        "deep": {"array": np.arange(6, dtype="f4").reshape(2, 3), "word": "wört"},
        "scalar": np.int64(3),
        "rows": np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
    }
    save(tmp_path / "a.npz", state)
    found = load(tmp_path / "a.npz")
    assert found["numbers"] == state["numbers"] and found["scalar"] == 3
    assert np.array_equal(found["deep"]["array"], state["deep"]["array"])
    assert found["deep"]["array"].dtype == np.float32 and found["deep"]["word"] == "wört"
    assert found["rows"]["b"][0] == 2.5


class Crash(Exception):
    pass


STEPS = ("save", "fsync", "replace")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("time", [1, 2, 3])
def test_a_crash_at_each_step_leaves_the_one_before(
    step: str, time: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 1)
    calls = []

    def crash_at(name: str, real: Any) -> Any:
        def wrapped(*arguments: Any, **more: Any) -> Any:
            calls.append(name)
            if name == step and calls.count(name) == time:
                raise Crash
            return real(*arguments, **more)

        return wrapped

    monkeypatch.setattr(module.np, "savez", crash_at("save", np.savez))
    monkeypatch.setattr(module.os, "fsync", crash_at("fsync", os.fsync))
    monkeypatch.setattr(module.os, "replace", crash_at("replace", os.replace))
    try:
        write(tmp_path, 2)
    except Crash:
        renamed = "replace" in calls and step != "replace"
        assert newest_value(tmp_path) == (2 if renamed else 1)
    else:
        assert newest_value(tmp_path) == 2
    monkeypatch.undo()
    write(tmp_path, 3)
    assert newest_value(tmp_path) == 3


@pytest.mark.slow
def test_every_byte_of_a_file_counts(tmp_path: Path) -> None:
    write(tmp_path, 50)
    write(tmp_path, 60)
    path = whole_checkpoints(tmp_path)[-1] / worker_file(0)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert newest_value(tmp_path) in (50, 60)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_byte_that_changed_is_noticed(tmp_path_factory: Any, data: st.DataObject) -> None:
    run = tmp_path_factory.mktemp("run")
    write(run, 50)
    write(run, 60)
    path = whole_checkpoints(run)[-1] / data.draw(st.sampled_from([SERVER, worker_file(0)]))
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    assert newest_value(run) in (50, 60)


def test_old_ones_go_by_count_and_by_age(tmp_path: Path) -> None:
    for value in range(1, 9):
        write(tmp_path, value, keep=3)
    assert [path.name for path in whole_checkpoints(tmp_path)] == [f"{n:08d}" for n in (6, 7, 8)]
    other = tmp_path / "other"
    for value in range(1, 11):
        write(other, value, keep=1, keep_every_s=20.0)
        for path in whole_checkpoints(other):
            os.utime(path, (float(path.name) * 10, float(path.name) * 10))
    assert [int(path.name) for path in whole_checkpoints(other)] == [1, 3, 5, 7, 9, 10]


def test_without_a_whole_one_the_damage_is_told(tmp_path: Path) -> None:
    with pytest.raises(AdspError, match="no checkpoint in"):
        newest_checkpoint(tmp_path)
    write(tmp_path, 1)
    (whole_checkpoints(tmp_path)[0] / SERVER).unlink()
    with pytest.raises(AdspError, match="00000001 is damaged"):
        newest_checkpoint(tmp_path)


def test_a_file_that_brings_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    text = np.frombuffer(json.dumps({"x": {"=": "o"}}).encode(), np.uint8)
    np.savez(path, state=text, o=np.array([{"a": 1}], dtype=object))
    with pytest.raises(AdspError, match="not a whole checkpoint file"):
        load(path)
