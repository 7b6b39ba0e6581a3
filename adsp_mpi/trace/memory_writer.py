"""Keeps a whole trace in memory, for an engine of one process, and writes it at the end."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from adsp_mpi.trace import schema
from adsp_mpi.trace.hdf5 import write_table

BLOCK_ROWS = 1 << 16


class Rows:
    """The rows of one table, packed into numpy blocks as they are appended."""

    def __init__(self, columns: schema.Columns) -> None:
        self.columns = columns
        self._dtype = schema.numpy_dtype(columns)
        self._new: list[schema.Row] = []
        self._blocks: list[np.ndarray] = []

    def append(self, *values: Any) -> None:
        self._new.append(values)
        if len(self._new) == BLOCK_ROWS:
            self._pack()

    def array(self) -> np.ndarray:
        """All rows so far, a structured array [rows]."""
        self._pack()
        self._blocks = [np.concatenate(self._blocks)] if self._blocks else []
        return self._blocks[0] if self._blocks else np.zeros(0, self._dtype)

    @property
    def values(self) -> np.ndarray | list[schema.Row]:
        """All rows, to save them: an array, or a list of tuples for a table with text."""
        return self.array().tolist() if self._dtype.hasobject else self.array()

    def resume(self, values: np.ndarray | list[Any]) -> None:
        """Replace the rows by `values`, saved from a table with the same columns."""
        self._new = []
        if isinstance(values, list):
            values = np.array([*map(tuple, values)], self._dtype)
        self._blocks = [values]

    def _pack(self) -> None:
        if self._new:
            self._blocks.append(np.array(self._new, self._dtype))
            self._new.clear()


class MemoryPart:
    """The interface of a `PartWriter`, with all rows in memory."""

    def __init__(self) -> None:
        self._tables: dict[str, Rows] = {}
        self._attributes: dict[str, dict[str, Any]] = {}
        self.cut = ""
        self.told: list[tuple[str, dict[str, float]]] = []
        """What schemes reported by `Tell`, in order: (table, values with `time_s`)."""
        self.add_table("events", schema.EVENTS)

    def add_table(self, path: str, columns: schema.Columns) -> None:
        self._tables[path] = Rows(columns)

    def has_table(self, path: str) -> bool:
        return path in self._tables

    def attributes(self, group: str, values: dict[str, Any]) -> None:
        self._attributes.setdefault(group, {}).update(values)

    def append(self, path: str, *values: Any) -> None:
        self._tables[path].append(*values)

    def append_named(self, path: str, values: dict[str, float]) -> None:
        """Add a row of float64 columns to a table; the first row creates it."""
        if path not in self._tables:
            self.add_table(path, schema.float_columns(list(values)))
        self.append(path, *values.values())
        self.told.append((path.removeprefix("ps/"), values))

    def event(self, time_s: float, kind: str, text: str) -> None:
        self.append("events", time_s, 0, kind, text)

    def flush_if_due(self) -> None:
        """Nothing is written before the end."""

    def close(self) -> None:
        """No file is open."""

    def table(self, path: str) -> np.ndarray:
        """The rows of a table so far, a structured array; empty if nothing was recorded."""
        return self._tables[path].array() if path in self._tables else np.zeros(0)

    @property
    def state(self) -> dict[str, Any]:
        """Rows and reports, for `resume`, without attributes: a resumed run sets these anew."""
        tables = [[path, rows.columns, rows.values] for path, rows in self._tables.items()]
        return {"tables": tables, "told": self.told}

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from another part's `state`."""
        for path, columns, values in state["tables"]:
            self._tables[path] = Rows(tuple(map(tuple, columns)))
            self._tables[path].resume(values)
        self.told[:] = [(table, values) for table, values in state["told"]]

    def write_to(self, file: h5py.File) -> None:
        """Put every table and attribute into `file`."""
        for path, rows in self._tables.items():
            write_table(file, path, rows.columns, rows.array())
        for group, values in self._attributes.items():
            file.require_group(group).attrs.update(values)


class WorkerRows:
    """The tables of all workers: rows of all workers together until they are written."""

    def __init__(self) -> None:
        number: schema.Columns = (("worker", "i4", ""),)
        tables = {k: Rows(number + columns) for k, columns in schema.WORKER_TABLES.items()}
        self.steps, self.commits, self.pulls, self.waits = tables.values()
        self._tables = tables

    @property
    def state(self) -> dict[str, Any]:
        """The rows, for `resume`."""
        return {name: rows.values for name, rows in self._tables.items()}

    def resume(self, state: dict[str, Any]) -> None:
        for name, rows in self._tables.items():
            rows.resume(state[name])

    def write_to(self, file: h5py.File, num_workers: int) -> None:
        for name, columns in schema.WORKER_TABLES.items():
            rows = self._tables[name].array()
            rows = rows[np.argsort(rows["worker"], kind="stable")]
            bounds = np.searchsorted(rows["worker"], np.arange(num_workers + 1))
            own = rows[[column for column, _, _ in columns]]
            for worker in range(num_workers):
                part = own[bounds[worker] : bounds[worker + 1]]
                write_table(file, f"workers/{worker}/{name}", columns, part)


def write_trace(folder: Path, server: MemoryPart, workers: WorkerRows, num_workers: int) -> Path:
    """Write what was recorded to `folder`/trace.h5; returns its path."""
    target = folder / schema.TRACE_NAME
    unfinished = target.with_suffix(".h5.unfinished")
    with h5py.File(unfinished, "w", locking=False) as file:
        server.write_to(file)
        workers.write_to(file, num_workers)
        file.attrs["format"] = schema.FORMAT
        file.attrs["version"] = schema.VERSION
        file.attrs["left_out"] = ""
    os.replace(unfinished, target)
    return target
