"""Trace events in Chrome's JSON format, each for one or several rows, as lines of text.

Source: "Trace Event Format", the document to which Chrome and Perfetto refer. A process is the
server or a worker, and its threads are lanes. Times are in microseconds.
"""

import json
import math
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Callable, Iterable, Iterator, Mapping

import numpy as np

from adsp_mpi.analysis.run_trace import BLOCK_ROWS, RunTrace

Values = Callable[[np.ndarray], np.ndarray]

SERVER_PROCESS = 1
"""The server's process number; worker i has this plus 1 + i. To viewers 0 is special."""


@dataclass(frozen=True)
class Lane:
    """The lane of a worker's table: its place, and the begins and ends of the rows."""

    table: str
    one: str
    number: int
    starts: Values
    ends: Values
    columns: tuple[str, ...]
    sums: Mapping[str, Values] = field(default_factory=dict)
    """The columns that become an event's arguments, summed over the rows that it stands for."""

    means: Mapping[str, Values] = field(default_factory=dict)


LANES = (
    Lane(
        "steps",
        "step",
        1,
        lambda rows: rows["start_s"],
        lambda rows: rows["start_s"] + rows["compute_s"] + rows["sleep_s"],
        ("start_s", "compute_s", "sleep_s", "loss", "batch_size"),
        sums={
            "compute_ms": lambda rows: 1e3 * rows["compute_s"],
            "sleep_ms": lambda rows: 1e3 * rows["sleep_s"],
        },
        means={"loss": lambda rows: rows["loss"], "batch_size": lambda rows: rows["batch_size"]},
    ),
    Lane(
        "commits",
        "commit",
        2,
        lambda rows: rows["begun_s"],
        lambda rows: rows["done_s"],
        ("begun_s", "done_s", "steps", "staleness", "blocked_s", "sent_bytes"),
        sums={
            "in_flight_ms": lambda rows: 1e3 * (rows["done_s"] - rows["begun_s"]),
            "steps": lambda rows: rows["steps"],
            "blocked_ms": lambda rows: 1e3 * rows["blocked_s"],
            "sent_mb": lambda rows: rows["sent_bytes"] / 1e6,
        },
        means={"staleness": lambda rows: rows["staleness"]},
    ),
    Lane(
        "waits",
        "wait",
        3,
        lambda rows: rows["start_s"],
        lambda rows: rows["start_s"] + rows["duration_s"],
        ("start_s", "duration_s", "reason"),
        sums={"waited_ms": lambda rows: 1e3 * rows["duration_s"]},
    ),
    Lane(
        "pulls",
        "pull",
        4,
        lambda rows: rows["start_s"],
        lambda rows: rows["start_s"] + rows["duration_s"],
        ("start_s", "duration_s", "keep_local"),
        sums={"pulling_ms": lambda rows: 1e3 * rows["duration_s"]},
        means={"keep_local": lambda rows: rows["keep_local"]},
    ),
)


def worker_events(trace: RunTrace, worker: int, lane: Lane, merged: int) -> Iterator[str]:
    """Yield a table as spans of `merged` rows each."""
    process = SERVER_PROCESS + 1 + worker
    if not trace.num_rows(worker, lane.table):
        return
    yield _named("thread_name", process, lane.number, {"name": lane.table})
    yield _named("thread_sort_index", process, lane.number, {"sort_index": lane.number})
    block_rows = merged * max(1, BLOCK_ROWS // merged)
    blocks = trace.blocks(worker, lane.table, lane.columns, block_rows)
    spans = (span for rows in blocks for span in _spans(rows, lane, merged))
    yield from _span_texts(spans, process, lane.number)


@dataclass(frozen=True)
class Span:
    start_s: float
    end_s: float
    name: str
    arguments: dict[str, Any]


def server_events(trace: RunTrace, keep_every: int) -> Iterator[str]:
    """Yield evaluations, targets and events on the server's lanes, one row in `keep_every`."""
    yield _named("process_name", SERVER_PROCESS, 0, {"name": "server"})
    yield _named("process_sort_index", SERVER_PROCESS, 0, {"sort_index": 0})
    lanes = {"targets": _targets(trace, keep_every), "evaluations": _evals(trace, keep_every)}
    for number, (name, spans) in enumerate(lanes.items(), 1):
        yield _named("thread_name", SERVER_PROCESS, number, {"name": name})
        yield from _span_texts(spans, SERVER_PROCESS, number)
    for row in trace.evals[::keep_every]:
        event = {"ph": "C", "pid": SERVER_PROCESS, "tid": 0, "ts": _us(row["time_s"])}
        yield _text({**event, "name": "loss", "args": {"loss": _number(row["loss"])}})
    for happened in trace.events[::keep_every]:
        event = {"ph": "i", "s": "g", "pid": SERVER_PROCESS, "tid": 0, "ts": _us(happened.time_s)}
        arguments = {"rank": happened.rank, "text": happened.text}
        yield _text({**event, "name": happened.kind, "args": arguments})


def worker_names(trace: RunTrace) -> Iterator[str]:
    for place, worker in enumerate(trace.workers, 1):
        process = SERVER_PROCESS + 1 + worker
        host = trace.worker_meta(worker).get("host", "")
        name = f"worker {worker} on {host}" if host else f"worker {worker}"
        yield _named("process_name", process, 0, {"name": name})
        yield _named("process_sort_index", process, 0, {"sort_index": place})


def _spans(rows: np.ndarray, lane: Lane, merged: int) -> Iterator[Span]:
    """Spans of `merged` consecutive rows; the last one may have fewer."""
    firsts = np.arange(0, len(rows), merged)
    counts = np.diff(firsts, append=len(rows))
    starts = lane.starts(rows)[firsts]
    ends = np.maximum.reduceat(lane.ends(rows), firsts)
    sums = {k: np.add.reduceat(f(rows), firsts, dtype=float) for k, f in lane.sums.items()}
    means = {
        k: np.add.reduceat(f(rows), firsts, dtype=float) / counts for k, f in lane.means.items()
    }
    columns = {**sums, **means}
    reasons = rows["reason"][firsts] if "reason" in lane.columns else None
    for i, count in enumerate(counts.tolist()):
        name = lane.one if count == 1 else f"{count} {lane.table}"
        arguments: dict[str, Any] = {k: _number(values[i]) for k, values in columns.items()}
        if reasons is not None:
            arguments["reason" if count == 1 else "first_reason"] = reasons[i].decode()
        yield Span(float(starts[i]), float(ends[i]), name, arguments)


def _targets(trace: RunTrace, keep_every: int) -> list[Span]:
    """The targets as spans, each from its change to the next one."""
    kept = trace.targets[::keep_every]
    ends = np.append(kept["time_s"][1:], trace.targets_until_s[-1:])
    numbers = [name for name in kept.dtype.names or () if name not in ("time_s", "phase")]
    return [
        Span(
            float(row["time_s"]),
            float(end_s),
            row["phase"].decode(),
            {name: _number(row[name]) for name in numbers},
        )
        for row, end_s in zip(kept, ends, strict=True)
    ]


def _evals(trace: RunTrace, keep_every: int) -> list[Span]:
    kept = trace.evals[::keep_every]
    numbers = [n for n in kept.dtype.names or () if n not in ("time_s", "duration_s", "trial")]
    return [
        Span(
            float(row["time_s"]),
            float(row["time_s"] + row["duration_s"]),
            "evaluation in a trial" if row["trial"] else "evaluation",
            {name: _number(row[name]) for name in numbers},
        )
        for row in kept
    ]


def _span_texts(spans: Iterable[Span], process: int, thread: int) -> Iterator[str]:
    """Complete events of one lane, in order. Each is cut where the next one begins: starts and
    durations are rounded separately, and viewers do not allow overlapping spans in a lane."""
    held: Span | None = None
    for span in chain(spans, [None]):
        if held:
            start_us = _us(held.start_s)
            end_us = _us(min(held.end_s, span.start_s) if span else held.end_s)
            event = {"ph": "X", "pid": process, "tid": thread, "ts": start_us}
            duration = max(0.0, round(end_us - start_us, 3))
            yield _text({**event, "dur": duration, "name": held.name, "args": held.arguments})
        held = span


def _named(kind: str, process: int, thread: int, arguments: dict[str, Any]) -> str:
    return _text({"ph": "M", "pid": process, "tid": thread, "name": kind, "args": arguments})


def _us(seconds: float) -> float:
    return round(float(seconds) * 1e6, 3)


def _number(value: Any) -> float | int | None:
    """A number with six digits; None, as JSON has no other word, if it is not finite."""
    number = float(value)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else float(f"{number:.6g}")


def _text(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"), allow_nan=False)
