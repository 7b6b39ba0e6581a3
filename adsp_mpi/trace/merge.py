"""Merges the parts of a run, finished or killed, into one HDF5 file."""

import os
from pathlib import Path

import h5py
import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.trace import part_log, schema
from adsp_mpi.trace.hdf5 import write_table

BLOCK_ROWS = 1 << 16


def merge_parts(folder: Path, keep: bool = False) -> tuple[Path, list[str]]:
    """Make `folder`/trace.h5 from `folder`/parts; returns its path and messages on what is missing.

    Parts are read frame by frame, so memory use stays small. They are deleted if nothing is
    missing, unless `keep`: a resumed run appends to them. Raises AdspError if there are no parts.
    """
    parts = part_log.part_paths(folder)
    if not parts:
        raise AdspError(f"{folder}: no parts of a trace in {folder / schema.PARTS_NAME}")
    target = folder / schema.TRACE_NAME
    unfinished = target.with_suffix(".h5.unfinished")
    try:
        left_out = _merge_into(unfinished, parts)
    except (OSError, RuntimeError):
        unfinished.unlink(missing_ok=True)
        raise
    os.replace(unfinished, target)
    if not (left_out or keep):
        for part in parts:
            part.unlink()
        (folder / schema.PARTS_NAME).rmdir()
    return target, left_out


def _merge_into(path: Path, parts: list[Path]) -> list[str]:
    """Write the trace of `parts` to `path`; returns messages on what is missing."""
    with h5py.File(path, "w", locking=False) as merged:
        merger = Merger(merged)
        left_out = [text for part in parts if (text := merger.add(part))]
        merger.write_events()
        merged.attrs["format"] = schema.FORMAT
        merged.attrs["version"] = schema.VERSION
        merged.attrs["left_out"] = "; ".join(left_out)
    return left_out


class Merger:
    """Adds parts to one HDF5 file."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._events: list[np.ndarray] = []

    def add(self, part: Path) -> str:
        """Add the whole frames of a part; returns a message on what is damaged, or ""."""
        end, trouble = 0, ""
        tables: dict[str, Table] = {}
        try:
            for frame in part_log.read_frames(part):
                self._take(frame, tables)
                end = frame.end
        except (AdspError, OSError, KeyError, TypeError, ValueError) as error:
            trouble = f" ({str(error).splitlines()[0]})"
        for table in tables.values():
            table.write()
        if trouble or part.stat().st_size != end:
            return f"{part.name} is damaged or unfinished from byte {end} on{trouble}"
        return ""

    def write_events(self) -> None:
        dtype = schema.numpy_dtype(schema.EVENTS)
        rows = np.concatenate([np.zeros(0, dtype), *self._events]).astype(dtype)
        rows = rows[np.argsort(rows["time_s"], kind="stable")]
        write_table(self._file, "events", schema.EVENTS, rows)

    def _take(self, frame: part_log.Frame, tables: dict[str, "Table"]) -> None:
        head = frame.head
        if "attributes" in head:
            self._file.require_group(head["attributes"]).attrs.update(head["values"])
        elif "table" in head and head["table"] != "events":
            tables[head["table"]] = Table(self._file, head["table"], part_log.columns_of(head))
        elif head.get("rows") == "events":
            self._events.append(part_log.unpack_rows(frame, schema.EVENTS))
        elif "rows" in head:
            table = tables[head["rows"]]
            table.append(part_log.unpack_rows(frame, table.columns))


class Table:
    """One compound dataset that grows block by block."""

    def __init__(self, file: h5py.File, path: str, columns: schema.Columns) -> None:
        self.columns = columns
        self._file, self._path = file, path
        self._kept = [np.zeros(0, schema.numpy_dtype(columns))]
        self._dataset: h5py.Dataset | None = None

    def append(self, rows: np.ndarray) -> None:
        """Keep rows in memory until a block is full, then write it."""
        self._kept.append(rows)
        if sum(map(len, self._kept)) >= BLOCK_ROWS:
            self.write()

    def write(self) -> None:
        """Write the rows kept in memory; the first call creates the dataset."""
        rows = np.concatenate(self._kept)
        self._kept = [rows[:0]]
        if self._dataset is None:
            self._dataset = write_table(self._file, self._path, self.columns, rows)
        elif len(rows):
            begin = len(self._dataset)
            self._dataset.resize((begin + len(rows),))
            self._dataset[begin:] = rows
