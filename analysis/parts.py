"""Looks at the parts that the ranks of a running job are writing; nothing is ever locked."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.trace import Trace, schema

TAIL_ROWS = 64
"""A worker's speed is that of its last steps, so many at most."""

ATTEMPTS, PAUSE_S = 5, 0.05
"""A file that is just being written can be unreadable for a moment."""


@dataclass(frozen=True)
class ServerPart:
    """What rank 0 has written, up to `time_s` of the run."""

    title: str
    num_workers: int
    phase: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    time_s: float = 0.0


@dataclass(frozen=True)
class WorkerPart:
    """What a worker has written, up to `time_s` of the run."""

    worker: int
    steps: int
    commits: int
    staleness: int | None
    """That of the last commit; None before the first."""

    speed: float
    """Steps per second, waits included; NaN before the second step."""

    time_s: float


@dataclass(frozen=True)
class Look:
    """The whole job at one moment, as far as it is on disk."""

    server: ServerPart | None
    workers: tuple[WorkerPart, ...]
    age_s: dict[int, float]
    """Seconds since each rank last wrote."""

    trouble: dict[int, str]
    """Why the part of a rank could never be read."""

    @property
    def time_s(self) -> float:
        return max([self.server.time_s if self.server else 0.0, *(w.time_s for w in self.workers)])

    @property
    def quiet_s(self) -> float:
        """Seconds since any rank last wrote."""
        return min(self.age_s.values(), default=0.0)


class Follower:
    """Looks again and again; a part that cannot be read is shown as it was last time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / schema.PARTS_NAME
        self._parts: dict[int, ServerPart | WorkerPart] = {}

    def look(self) -> Look:
        age_s: dict[int, float] = {}
        trouble: dict[int, str] = {}
        for path in sorted(self._folder.glob("rank-*.h5")):
            rank = int(path.stem.removeprefix("rank-"))
            try:
                age_s[rank] = age_of(path)
                part = read_part(path)
            except (AdspError, OSError) as error:
                if rank not in self._parts:
                    trouble[rank] = str(error)
                continue
            if part:
                self._parts[rank] = part
        parts = [self._parts[rank] for rank in sorted(self._parts)]
        return Look(
            server=next((part for part in parts if isinstance(part, ServerPart)), None),
            workers=tuple(part for part in parts if isinstance(part, WorkerPart)),
            age_s=age_s,
            trouble=trouble,
        )


def age_of(path: Path) -> float:
    """Seconds since a part was last written."""
    return max(time.time() - path.stat().st_mtime, 0.0)


def read_part(path: Path) -> ServerPart | WorkerPart | None:
    """The part at `path`, None while it tells nothing; AdspError where it stays unreadable."""
    for attempt in range(ATTEMPTS):
        try:
            with Trace(path) as part:
                return _worker(part) if part.meta["rank"] else _server(part)
        except (AdspError, KeyError, OSError, RuntimeError, ValueError) as error:
            reason = error
        if attempt < ATTEMPTS - 1:
            time.sleep(PAUSE_S)
    raise reason if isinstance(reason, AdspError) else AdspError(f"{path}: {reason}")


def _server(part: Trace) -> ServerPart | None:
    meta = part.meta
    if "model" not in meta:
        return None
    evals = _tail(part, "ps/evals", "time_s")
    targets = _tail(part, "ps/targets", "time_s")
    known = {name for name, _, _ in schema.EVALS}
    own = [name for name in evals.dtype.names or () if name not in known]
    return ServerPart(
        title=f"{meta['model']} on {meta['task'] or 'your task'}",
        num_workers=int(meta["num_workers"]),
        phase=targets["phase"][-1].decode() if len(targets) else "",
        metrics={name: float(evals[name][-1]) for name in own if len(evals)},
        time_s=max((float(t["time_s"][-1]) for t in (evals, targets) if len(t)), default=0.0),
    )


def _worker(part: Trace) -> WorkerPart | None:
    if not part.workers:
        return None
    [worker] = part.workers
    group = f"workers/{worker}"
    steps = _tail(part, f"{group}/steps", "start_s")
    commits = _tail(part, f"{group}/commits", "done_s")
    seconds = float(np.ptp(steps["start_s"])) if len(steps) else 0.0
    ends = [
        float(rows[name][-1])
        for rows, name in ((steps, "start_s"), (commits, "done_s"))
        if len(rows)
    ]
    return WorkerPart(
        worker=worker,
        steps=part.length(f"{group}/steps"),
        commits=part.length(f"{group}/commits"),
        staleness=int(commits["staleness"][-1]) if len(commits) else None,
        speed=(len(steps) - 1) / seconds if seconds else np.nan,
        time_s=max(ends, default=0.0),
    )


def _tail(part: Trace, path: str, time_column: str) -> np.ndarray:
    """The last rows of a table; none where it is not there yet.

    Rows that are announced but not yet written read as zeros: they are left out.
    """
    if path not in part.tables:
        return np.zeros(0)
    rows = part.table(path, max(part.length(path) - TAIL_ROWS, 0))
    return rows[rows[time_column] > 0]
