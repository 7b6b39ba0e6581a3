"""A run's trace as the verbs read it, even if the run ended early or parts were lost."""

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Sequence

import numpy as np

from adsp_mpi.analysis.speed import steps_per_second
from adsp_mpi.errors import AdspError
from adsp_mpi.trace import Trace, schema

TABLES = {
    "events": schema.EVENTS,
    "ps/evals": (*schema.EVALS, ("loss", "f8", "")),
    "ps/targets": schema.TARGETS,
}
BLOCK_ROWS = 1 << 17


class Event(NamedTuple):
    time_s: float
    rank: int
    kind: str
    text: str


class RunTrace(Trace):
    """A trace in which tables that were not recorded are empty instead of an error."""

    def __init__(self, path: str | Path, target_loss: float | None = None) -> None:
        """Open the trace at `path`; `target_loss` replaces the run's own."""
        folder = Path(path)
        unmerged = (folder / schema.PARTS_NAME).is_dir()
        if unmerged and not (folder / schema.TRACE_NAME).exists():
            raise AdspError(
                f"{folder}: not merged, the run goes on or was killed: "
                f"python -m adsp_mpi.analysis merge {folder}"
            )
        super().__init__(path)
        self._target_loss = target_loss

    @property
    def target_loss(self) -> float:
        """The loss to reach; 0: none was set."""
        own: float = self.setting("stop", "target_loss", 0.0)
        return own if self._target_loss is None else self._target_loss

    @cached_property
    def config(self) -> dict[str, Any]:
        """The run's settings by section; {} if rank 0's part was lost."""
        return tomllib.loads(str(self._file.attrs.get("config", "")))

    def setting(self, section: str, key: str, default: Any) -> Any:
        return self.config.get(section, {}).get(key, default)

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the run by name, as Python values."""
        return {name: self.said(name) for name in self._file.attrs}

    def said(self, name: str, default: Any = "") -> Any:
        """An attribute of the run as a Python value, or `default` without it."""
        value = self._file.attrs.get(name, default)
        return value.item() if isinstance(value, np.generic) else value

    def rows(self, path: str, columns: Sequence[str] = ()) -> np.ndarray:
        """A table, or some of its columns, as a structured array [rows]; empty if not recorded."""
        if path not in self._file:
            return np.zeros(0, schema.numpy_dtype(_schema_of(path)))
        return self._columns(path, columns, slice(None)) if columns else self.table(path)

    def worker_rows(self, worker: int, table: str, columns: Sequence[str] = ()) -> np.ndarray:
        return self.rows(f"workers/{worker}/{table}", columns)

    def num_rows(self, worker: int, table: str) -> int:
        path = f"workers/{worker}/{table}"
        return self.length(path) if path in self._file else 0

    def blocks(
        self, worker: int, table: str, columns: Sequence[str], block_rows: int = BLOCK_ROWS
    ) -> Iterator[np.ndarray]:
        """Yield columns of a worker's table, `block_rows` rows at a time."""
        path = f"workers/{worker}/{table}"
        for first in range(0, self.num_rows(worker, table), block_rows):
            yield self._columns(path, columns, slice(first, first + block_rows))

    @cached_property
    def speeds(self) -> dict[int, float]:
        """Every worker's steps per second over the whole run; 0 if it took no step."""
        speeds = {}
        for worker in self.workers:
            rows = self.worker_rows(worker, "steps", ("compute_s", "sleep_s"))
            training_s = rows["compute_s"].sum() + rows["sleep_s"].sum()
            speeds[worker] = float(np.nan_to_num(steps_per_second(len(rows), training_s)))
        return speeds

    @cached_property
    def evals(self) -> np.ndarray:
        return self.rows("ps/evals")

    @cached_property
    def counted_evals(self) -> np.ndarray:
        """The evaluations outside of trials, which count for the target."""
        return self.evals[self.evals["trial"] == 0]

    @cached_property
    def targets(self) -> np.ndarray:
        return self.rows("ps/targets")

    @cached_property
    def targets_until_s(self) -> np.ndarray:
        """The second until which each row of `targets` was in force, [rows]."""
        times_s = self.targets["time_s"]
        return np.append(times_s[1:], max(self.end_s, times_s.max(initial=0.0)))[: len(times_s)]

    @cached_property
    def events(self) -> list[Event]:
        """The events of all ranks, earliest first."""
        return [
            Event(float(time_s), int(rank), _decoded(kind), _decoded(text))
            for time_s, rank, kind, text in self.rows("events").tolist()
        ]

    @property
    def ended(self) -> bool:
        """Whether the run recorded its end."""
        return "end_s" in self._file.attrs

    @cached_property
    def end_s(self) -> float:
        """The second at which the run ended; for a killed run, the last one recorded."""
        if self.ended:
            return float(self._file.attrs["end_s"])
        evaluated_s = self.evals["time_s"] + self.evals["duration_s"]
        last = [float(evaluated_s.max(initial=0)), float(self.targets["time_s"].max(initial=0))]
        return max([*last, *(self.last_s(worker) for worker in self.workers)])

    def last_s(self, worker: int) -> float:
        """The second at which the last recorded action of `worker` ended."""
        steps = self.last_row(worker, "steps")
        waits, pulls = self.last_row(worker, "waits"), self.last_row(worker, "pulls")
        commits = self.last_row(worker, "commits")
        ends = [float(r["start_s"] + r["compute_s"] + r["sleep_s"]) for r in steps]
        ends += [float(r["start_s"] + r["duration_s"]) for r in (*waits, *pulls)]
        return max([*ends, *(float(r["done_s"]) for r in commits)], default=0.0)

    def last_row(self, worker: int, table: str) -> np.ndarray:
        rows = self.num_rows(worker, table)
        return self.table(f"workers/{worker}/{table}", rows - 1) if rows else np.zeros(0)

    def _columns(self, path: str, columns: Sequence[str], rows: slice) -> np.ndarray:
        try:
            return self._file[path].fields(list(columns))[rows]
        except (OSError, RuntimeError) as error:
            raise AdspError(f"{self.path}: {path} is damaged: {error}") from error

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.path.resolve().parent

    @property
    def name(self) -> str:
        """The name of the run's folder, or of its file if that is not called trace.h5."""
        return self.folder.name if self.path.name == schema.TRACE_NAME else self.path.stem


def _schema_of(path: str) -> schema.Columns:
    return TABLES.get(path) or schema.WORKER_TABLES.get(path.rpartition("/")[2], ())


def _decoded(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
