"""`timeline RUN -o FILE.json`: writes a run for Perfetto, ui.perfetto.dev, or chrome://tracing."""

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Mapping

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.trace_events import LANES, server_events, worker_events, worker_names
from adsp_mpi.errors import AdspError, UsageError

HELP = "write a run as trace events, for ui.perfetto.dev or chrome://tracing"

EVENT_BYTES = 165
"""The bytes of an event, about: a first guess at how many fit."""

SERVER = "server"
"""The name under which all of the server's tables are thinned together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="RUN", help="a run's folder or its trace.h5")
    out = "the trace events, JSON"
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help=out)
    size = "size of the file at most; rows are merged to keep it; default 50"
    parser.add_argument("--max-mb", type=float, default=50.0, metavar="MB", help=size)


def run(options: argparse.Namespace) -> None:
    if not 0 < options.max_mb < math.inf:
        raise UsageError("--max-mb must be above 0")
    if options.out.suffix.lower() != ".json":
        raise UsageError(f"-o {options.out}: must end in .json")
    with RunTrace(options.path) as trace:
        for note in write_timeline(trace, options.out, round(options.max_mb * 1e6)):
            print(f"adsp_mpi: {note}", file=sys.stderr)
    print(options.out)


@dataclass(frozen=True)
class Detail:
    """How many rows of each worker table one event stands for, and one in how many of the server's
    rows is kept."""

    rows_an_event: Mapping[str, int]

    def notes(self, rows: Mapping[str, int]) -> list[str]:
        """Messages on what is merged or left out."""
        merged = [
            f"{rows[name]:,} {name} are merged, up to {count:,} to an event"
            for name, count in self.rows_an_event.items()
            if count > 1 and rows[name] and name != SERVER
        ]
        one_in = self.rows_an_event[SERVER]
        thinned = (
            f"of targets, evaluations and events one in {one_in:,} is kept, the others left out"
        )
        return merged + [thinned] * (one_in > 1)


def write_timeline(trace: RunTrace, path: Path, max_bytes: int) -> list[str]:
    """Write the events of `trace` to `path`; returns messages on what is merged or left out.

    Raises AdspError if not even one event per table and worker fits.
    """
    rows = count_rows(trace)
    events = max_bytes / EVENT_BYTES
    while True:
        detail = detail_for(rows, events)
        notes = detail.notes(rows)
        if write_events(trace, path, detail, notes, max_bytes):
            return notes
        if all(count >= rows[name] for name, count in detail.rows_an_event.items()):
            raise AdspError(
                f"{path}: an event a table and worker does not fit into "
                f"{max_bytes / 1e6:g} MB; give a larger --max-mb"
            )
        events *= 0.7


def count_rows(trace: RunTrace) -> dict[str, int]:
    """The number of rows by table, over all workers, and that of the server's rows."""
    counts = {
        lane.table: sum(trace.num_rows(worker, lane.table) for worker in trace.workers)
        for lane in LANES
    }
    return {**counts, SERVER: 2 * len(trace.evals) + len(trace.targets) + len(trace.events)}


def detail_for(rows: Mapping[str, int], events: float) -> Detail:
    """The detail that gives about `events` events: small tables stay whole, large ones get equal
    numbers of events."""
    left, share = events, math.inf
    for place, count in enumerate(sorted(rows.values())):
        share = left / (len(rows) - place)
        if count > share:
            break
        left -= count
        share = math.inf
    return Detail({name: max(1, math.ceil(count / share)) for name, count in rows.items()})


def write_events(
    trace: RunTrace, path: Path, detail: Detail, notes: list[str], max_bytes: int
) -> bool:
    """Write the file, one event per line; returns False, without a file, if it gets too large."""
    about = {
        "run": trace.name,
        "made_by": "adsp_mpi.analysis timeline",
        **{name: trace.said(name, None) for name in ("engine", "model", "task", "seed", "reason")},
        "seconds": trace.end_s,
        "left_out": notes or "nothing",
    }
    head = f'{{"displayTimeUnit": "ms", "otherData": {json.dumps(about)}, "traceEvents": [\n'
    written = len(head) + len("\n]}\n")
    whole = False
    with path.open("w", encoding="ascii") as file:
        try:
            file.write(head)
            for number, event in enumerate(_all_events(trace, detail)):
                written += len(event) + len(",\n") * (number > 0)
                if written > max_bytes:
                    return False
                file.write(",\n" * (number > 0) + event)
            file.write("\n]}\n")
            whole = True
        finally:
            if not whole:
                path.unlink()
    return True


def _all_events(trace: RunTrace, detail: Detail) -> Iterator[str]:
    yield from server_events(trace, detail.rows_an_event[SERVER])
    yield from worker_names(trace)
    for lane in LANES:
        for worker in trace.workers:
            yield from worker_events(trace, worker, lane, detail.rows_an_event[lane.table])
