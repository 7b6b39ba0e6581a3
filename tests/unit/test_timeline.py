"""Trace events of traces made by hand: what is in the file, and what is left out of it."""

import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.timeline import Detail, detail_for, write_timeline
from adsp_mpi.errors import AdspError
from tests.unit.made_run import MadeRun, MadeWorker, make_run, searching_run

ROUNDING_US = 0.002


def events_of(folder: Path, max_mb: float = 50) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    path = folder / "timeline.json"
    with RunTrace(folder) as trace:
        write_timeline(trace, path, round(max_mb * 1e6))
    assert path.stat().st_size <= max_mb * 1e6
    whole = json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(word))
    return whole["traceEvents"], whole["otherData"]


def lanes_of(events: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Complete events by the names of their process and thread; none of a lane may cross."""
    names = {
        (e["name"], e["pid"], e["tid"]): e["args"]["name"]
        for e in events
        if e["name"].endswith("_name")
    }
    lanes = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            process = names["process_name", event["pid"], 0]
            lanes[process, names["thread_name", event["pid"], event["tid"]]].append(event)
    for spans in lanes.values():
        for one, after in pairwise(spans):
            assert one["dur"] >= 0
            assert one["ts"] + one["dur"] <= after["ts"] + ROUNDING_US
    return lanes


def spans_ms(events: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(event["ts"] / 1e3, event["dur"] / 1e3) for event in events]


def test_events_by_hand(tmp_path: Path) -> None:
    events, about = events_of(searching_run().write(tmp_path))
    lanes = lanes_of(events)
    assert set(lanes) == {
        ("server", "targets"),
        ("server", "evaluations"),
        ("worker 0 on a", "steps"),
        ("worker 0 on a", "commits"),
        ("worker 1 on b", "steps"),
        ("worker 1 on b", "commits"),
        ("worker 1 on b", "waits"),
    }
    assert spans_ms(lanes["worker 0 on a", "steps"]) == [(1e3 * k, 1e3) for k in range(8)]
    assert spans_ms(lanes["worker 1 on b", "steps"]) == [(2e3 * k, 2e3) for k in range(4)]
    assert spans_ms(lanes["worker 1 on b", "commits"]) == [(2e3, 1e3), (6e3, 2e3)]
    [wait] = lanes["worker 1 on b", "waits"]
    assert (wait["ts"], wait["dur"]) == (8e6, 1.5e6)
    assert wait["args"] == {"reason": "the slowest", "waited_ms": 1500}
    commit = lanes["worker 1 on b", "commits"][1]
    assert commit["args"] == {
        "in_flight_ms": 2000,
        "steps": 2,
        "blocked_ms": 250,
        "sent_mb": 1,
        "staleness": 3,
    }
    assert lanes["worker 0 on a", "steps"][0]["args"] == {
        "compute_ms": 250,
        "sleep_ms": 750,
        "loss": 1,
        "batch_size": 32,
    }
    assert lanes["worker 1 on b", "steps"][0]["args"]["loss"] is None
    assert (about["run"], about["seconds"], about["left_out"]) == (tmp_path.name, 10, "nothing")


def test_the_server_by_hand(tmp_path: Path) -> None:
    events, _ = events_of(searching_run().write(tmp_path))
    lanes = lanes_of(events)
    targets = lanes["server", "targets"]
    assert spans_ms(targets) == [(0, 4e3), (4e3, 4e3), (8e3, 2e3)]
    assert [event["name"] for event in targets] == ["search", "search", "train"]
    assert targets[0]["args"]["implicit_momentum"] is None
    assert targets[1]["args"]["commit_target"] == 2
    evaluations = lanes["server", "evaluations"]
    assert len(evaluations) == 21
    assert (evaluations[1]["ts"], evaluations[1]["dur"]) == (5e5, 1e5)
    assert evaluations[20]["args"]["test_accuracy"] == 1
    losses = [event["args"]["loss"] for event in events if event["ph"] == "C"]
    assert losses == [1] * 8 + [0.25] * 13
    [end] = [event for event in events if event["ph"] == "i"]
    assert (end["name"], end["ts"], end["args"]["text"]) == ("end", 1e7, "10 s are over")


def test_a_lane_never_crosses_itself_for_rounding(tmp_path: Path) -> None:
    third = 1 / 3
    steps = [(1e6 + third * k, third, 0.0, 1.0, 32) for k in range(300)]
    waits = [(1e6 + third * k, third, "x") for k in range(300)]
    events, _ = events_of(MadeRun([MadeWorker(steps=steps, waits=waits)]).write(tmp_path))
    lanes = lanes_of(events)
    assert [len(lanes["worker 0", name]) for name in ("steps", "waits")] == [300, 300]


def test_rows_are_merged_to_keep_the_size_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [(float(k), 0.5, 0.25, k % 2, 32) for k in range(2000)]
    run = replace(searching_run(), workers=[MadeWorker(steps=steps)], facts={"end_s": 2000.0})
    folder, out = run.write(tmp_path), tmp_path / "t.json"
    main(["timeline", str(folder), "-o", str(out), "--max-mb", "0.05"])
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert out.stat().st_size <= 50_000
    whole = json.loads(out.read_text())
    [note] = whole["otherData"]["left_out"]
    assert note.startswith("2,000 steps are merged, up to ")
    assert told.err == f"adsp_mpi: {note}\n"

    merged = int(note.split()[-4])
    lanes = lanes_of(whole["traceEvents"])
    spans = lanes["worker 0", "steps"]
    assert len(spans) == -(-2000 // merged)
    assert spans[0]["name"] == f"{merged} steps"
    assert spans_ms(spans[:2]) == [
        (0, 1e3 * (merged - 0.25)),
        (1e3 * merged, 1e3 * (merged - 0.25)),
    ]
    assert spans[-1]["ts"] + spans[-1]["dur"] == pytest.approx(1999.75e6)
    assert sum(span["args"]["compute_ms"] for span in spans) == pytest.approx(1e6)
    assert sum(int(span["name"].split()[0]) for span in spans) == 2000
    assert len(lanes["server", "evaluations"]) == 21


def test_small_tables_stay_whole_and_large_ones_share(tmp_path: Path) -> None:
    rows = {"steps": 10_000, "commits": 1000, "waits": 10, "pulls": 0, "server": 100}
    assert detail_for(rows, 20_000).rows_an_event == dict.fromkeys(rows, 1)
    assert detail_for(rows, 2110).rows_an_event == {
        "steps": 10,
        "commits": 1,
        "waits": 1,
        "pulls": 1,
        "server": 1,
    }
    shared = detail_for(rows, 1110).rows_an_event
    assert (shared["steps"], shared["commits"], shared["waits"]) == (20, 2, 1)


def test_thinned_rows_of_the_server_are_told() -> None:
    rows = {"steps": 5, "commits": 0, "waits": 0, "pulls": 0, "server": 100}
    notes = Detail({**dict.fromkeys(rows, 1), "server": 7}).notes(rows)
    assert notes == ["of targets, evaluations and events one in 7 is kept, the others left out"]


def test_a_limit_that_nothing_fits_leaves_no_file(tmp_path: Path) -> None:
    folder = searching_run().write(tmp_path)
    with pytest.raises(AdspError, match="give a larger --max-mb"):
        events_of(folder, max_mb=0.001)
    assert not (folder / "timeline.json").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_empty_run_is_valid(tmp_path: Path, workers: int) -> None:
    events, _ = events_of(MadeRun([MadeWorker()] * workers).write(tmp_path))
    assert {event["ph"] for event in events} == {"M"}
    assert lanes_of(events) == {}


def test_a_run_without_its_server_is_valid(tmp_path: Path) -> None:
    searching_run().write(tmp_path, merge=False)
    (tmp_path / "parts" / "rank-00000.part").unlink()
    main(["merge", str(tmp_path), "--force"])
    events, about = events_of(tmp_path)
    assert about["model"] is None
    assert len(lanes_of(events)["worker 0 on a", "steps"]) == 8


def test_rounds_have_a_lane_for_pulls(tmp_path: Path) -> None:
    events, _ = events_of(make_run(tmp_path))
    [pull] = lanes_of(events)["worker 0", "pulls"]
    assert (pull["ts"], pull["dur"], pull["args"]["pulling_ms"]) == (6e6, 0.25e6, 250)


def test_the_trace_itself_is_never_written_over(tmp_path: Path) -> None:
    trace = searching_run().write(tmp_path) / "trace.h5"
    before = trace.read_bytes()
    with pytest.raises(SystemExit) as left:
        main(["timeline", str(tmp_path), "-o", str(trace)])
    assert left.value.code == 2
    assert trace.read_bytes() == before


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, limit: str) -> None:
    folder = searching_run().write(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["timeline", str(folder), "-o", str(tmp_path / "t.json"), "--max-mb", limit])
    assert left.value.code == 2
