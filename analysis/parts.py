"""Reads the parts that the ranks of a running job are writing, without locking them."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from adsp_mpi.analysis.speed import steps_per_second
from adsp_mpi.errors import AdspError
from adsp_mpi.trace import part_log, schema

TAIL_ROWS = 64
"""A worker's speed is computed from its last steps, at most this many."""


@dataclass(frozen=True)
class ServerPart:
    """The news in rank 0's part, up to `time_s` of the run."""

    title: str
    num_workers: int
    phase: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    time_s: float = 0.0


@dataclass(frozen=True)
class WorkerPart:
    """The news in a worker's part, up to `time_s` of the run."""

    worker: int
    steps: int
    commits: int
    staleness: int | None
    """The lag of the last commit; None before the first."""

    speed: float
    """The last steps per second of computing and injected sleep; NaN before the first step."""

    time_s: float


@dataclass(frozen=True)
class Look:
    """The state of the whole job at one moment, as far as it is on disk."""

    server: ServerPart | None
    workers: tuple[WorkerPart, ...]
    age_s: dict[int, float]
    """The seconds since each rank last wrote."""

    trouble: dict[int, str]
    """The reasons why ranks' parts cannot be read, by rank."""

    @property
    def time_s(self) -> float:
        return max([self.server.time_s if self.server else 0.0, *(w.time_s for w in self.workers)])

    @property
    def quiet_s(self) -> float:
        """The seconds since any rank last wrote."""
        return min(self.age_s.values(), default=0.0)


class Follower:
    """Reads a job's parts again and again, each from where the last look ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tails: dict[Path, Tail] = {}

    def look(self) -> Look:
        age_s: dict[int, float] = {}
        trouble: dict[int, str] = {}
        for path in part_log.part_paths(self._folder):
            rank = int(path.stem.removeprefix("rank-"))
            try:
                age_s[rank] = age_of(path)
                if path not in self._tails or path.stat().st_size < self._tails[path].read_to:
                    self._tails[path] = Tail(path)
                self._tails[path].read_on()
            except (AdspError, OSError, KeyError, TypeError, ValueError) as error:
                trouble[rank] = f"{path}: {error}"
        parts = [part for tail in self._tails.values() if (part := tail.part())]
        return Look(
            server=next((part for part in parts if isinstance(part, ServerPart)), None),
            workers=tuple(part for part in parts if isinstance(part, WorkerPart)),
            age_s=age_s,
            trouble=trouble,
        )


def age_of(path: Path) -> float:
    """The seconds since a part was last written to."""
    return max(time.time() - path.stat().st_mtime, 0.0)


class Tail:
    """One part as read so far: its attributes, and the length and last rows of each table."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.read_to = 0
        self._attributes: dict[str, dict[str, Any]] = {}
        self._columns: dict[str, schema.Columns] = {}
        self._length: dict[str, int] = {}
        self._last: dict[str, np.ndarray] = {}

    def read_on(self) -> None:
        """Read what was written since the last call."""
        for frame in part_log.read_frames(self._path, self.read_to):
            self._take(frame)
            self.read_to = frame.end

    def part(self) -> ServerPart | WorkerPart | None:
        """The news in the part; None while it is empty."""
        workers = [group for group in self._attributes if group.startswith("workers/")]
        if workers:
            return self._worker(workers[0])
        return self._server() if "/" in self._attributes else None

    def _take(self, frame: part_log.Frame) -> None:
        head = frame.head
        if "attributes" in head:
            self._attributes.setdefault(head["attributes"], {}).update(head["values"])
        elif "table" in head:
            self._columns[head["table"]] = part_log.columns_of(head)
        elif "rows" in head:
            table = head["rows"]
            rows = part_log.unpack_rows(frame, self._columns[table])
            self._length[table] = self._length.get(table, 0) + len(rows)
            last = [self._last[table]] if table in self._last else []
            self._last[table] = np.concatenate([*last, rows])[-TAIL_ROWS:]

    def _server(self) -> ServerPart:
        meta = self._attributes["/"]
        known = {name for name, _, _ in schema.EVALS}
        return ServerPart(
            title=f"{meta['model']} on {meta['task'] or 'your task'}",
            num_workers=int(meta["num_workers"]),
            phase=self._latest("ps/targets", "phase", b"").decode(),
            metrics={
                name: self._latest("ps/evals", name, np.nan)
                for name, _, _ in self._columns.get("ps/evals", ())
                if name not in known and "ps/evals" in self._last
            },
            time_s=max(self._latest(table, "time_s") for table in ("ps/evals", "ps/targets")),
        )

    def _worker(self, group: str) -> WorkerPart:
        steps, commits = f"{group}/steps", f"{group}/commits"
        last = self._last.get(steps, np.zeros(0, schema.numpy_dtype(schema.STEPS)))
        training_s = float(last["compute_s"].sum() + last["sleep_s"].sum())
        return WorkerPart(
            worker=int(group.removeprefix("workers/")),
            steps=self._length.get(steps, 0),
            commits=self._length.get(commits, 0),
            staleness=self._latest(commits, "staleness", None),
            speed=float(steps_per_second(len(last), training_s)),
            time_s=max(self._latest(steps, "start_s"), self._latest(commits, "done_s")),
        )

    def _latest(self, table: str, column: str, default: Any = 0.0) -> Any:
        """The column's value in the table's last row, or `default` without rows."""
        return self._last[table][column][-1].item() if table in self._last else default
