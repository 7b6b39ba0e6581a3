"""Writes one rank's part of a trace: rows go into memory buffers and to disk by time."""

import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import h5py
import numpy as np

from adsp_mpi.trace import schema

BUFFER_ROWS = 4096


class Table:
    """One compound dataset that grows; `append` only fills a row of memory."""

    def __init__(self, group: h5py.Group, name: str, columns: schema.Columns) -> None:
        dtype = schema.numpy_dtype(columns)
        self._rows = np.zeros(BUFFER_ROWS, dtype)
        self._filled = 0
        self._dataset = group.create_dataset(
            name,
            shape=(0,),
            maxshape=(None,),
            chunks=(BUFFER_ROWS,),
            dtype=dtype,
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        self._dataset.attrs["columns"] = schema.columns_text(columns)

    def append(self, *values: Any) -> bool:
        """Add a row; True when the buffer is full and must be written."""
        self._rows[self._filled] = values
        self._filled += 1
        return self._filled == BUFFER_ROWS

    def write(self) -> None:
        if not self._filled:
            return
        end = self._dataset.shape[0] + self._filled
        self._dataset.resize((end,))
        self._dataset[end - self._filled :] = self._rows[: self._filled]
        self._filled = 0


class PartWriter:
    """The part file of one rank, on disk at most `flush_s` seconds behind.

    A disk that fails or fills up does not end the training: recording stops there, `cut` says
    why, and what was flushed stays readable.
    """

    def __init__(self, path: Path, rank: int, flush_s: float) -> None:
        self.rank = rank
        self.cut = ""
        self._flush_s = flush_s
        self._last_flush = perf_counter()
        self._tables: dict[str, Table] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: h5py.File | None = h5py.File(path, "w", locking=False)
        self._file.attrs["format"] = schema.FORMAT
        self._file.attrs["version"] = schema.VERSION
        self._file.attrs["rank"] = rank
        self.add_table("events", schema.EVENTS)
        self._file.flush()

    def add_table(self, path: str, columns: schema.Columns) -> None:
        """Create the table `path`, such as `ps/evals`."""
        if self._file is None:
            return
        group, _, name = path.rpartition("/")
        parent = self._file.require_group(group) if group else self._file
        self._tables[path] = Table(parent, name, columns)

    def has_table(self, path: str) -> bool:
        return path in self._tables

    def attributes(self, group: str, values: dict[str, Any]) -> None:
        """Set attributes of a group, `/` for those of the whole run, and put them on disk."""
        if self._file is not None:
            self._file.require_group(group).attrs.update(values)
            self.flush()

    def append(self, path: str, *values: Any) -> None:
        """Add a row to a table that `add_table` made."""
        if self._file is not None and self._tables[path].append(*values):
            self.flush()

    def append_named(self, path: str, values: dict[str, float]) -> None:
        """Add a row of float64 columns; the first row makes the table."""
        if path not in self._tables:
            self.add_table(path, schema.float_columns(list(values)))
        self.append(path, *values.values())

    def event(self, time_s: float, kind: str, text: str) -> None:
        self.append("events", time_s, self.rank, kind, text)

    def flush_if_due(self) -> None:
        if perf_counter() - self._last_flush >= self._flush_s:
            self.flush()

    def flush(self) -> None:
        """Write every buffered row and hand the file's state to the operating system."""
        self._last_flush = perf_counter()
        if self._file is None:
            return
        try:
            for table in self._tables.values():
                table.write()
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Write what is left and close; closing twice is allowed."""
        self.flush()
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._give_up(error)
        self._file = None

    def _give_up(self, error: OSError) -> None:
        self.cut = f"trace of rank {self.rank} is cut: {_reason(error)}"
        print(f"adsp_mpi: warning: {self.cut}; training goes on", file=sys.stderr, flush=True)
        self._file = None


def _reason(error: OSError) -> str:
    """The operating system's words where HDF5 passes them on."""
    return os.strerror(error.errno) if error.errno else str(error).splitlines()[0]
