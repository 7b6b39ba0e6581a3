"""Writes one rank's part of a trace: rows are buffered, and flushed to disk at intervals."""

import os
from io import FileIO
from pathlib import Path
from time import perf_counter
from typing import Any

from adsp_mpi.errors import warn
from adsp_mpi.trace import part_log, schema

BUFFER_ROWS = 4096


class PartWriter:
    """The part of one rank; rows are on disk at most `flush_s` seconds late.

    If the disk fails or fills up, training goes on without recording: `cut` says why, and rows
    flushed before stay readable.
    """

    def __init__(self, path: Path, rank: int, flush_s: float, keep_bytes: int = 0) -> None:
        """Create the part, or append to an existing one after its whole frames in `keep_bytes`."""
        self.rank = rank
        self.cut = ""
        self._flush_s = flush_s
        self._last_flush = perf_counter()
        self._columns: dict[str, schema.Columns] = {}
        self._rows: dict[str, list[schema.Row]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: FileIO | None = None
        if keep_bytes and path.exists():
            self._go_on(path, keep_bytes)
        else:
            self._file = FileIO(path, "w")
            self._write(part_log.MAGIC + part_log.pack({"rank": rank}))
        self.add_table("events", schema.EVENTS)

    def _go_on(self, path: Path, keep_bytes: int) -> None:
        kept = len(part_log.MAGIC)
        for frame in part_log.read_frames(path):
            if frame.end > keep_bytes:
                break
            kept = frame.end
            if "table" in frame.head:
                table = frame.head["table"]
                self._columns[table], self._rows[table] = part_log.columns_of(frame.head), []
        self._file = FileIO(path, "r+")
        self._file.truncate(kept)
        self._file.seek(kept)

    def add_table(self, path: str, columns: schema.Columns) -> None:
        """Create the table `path`, such as `ps/evals`, unless it exists."""
        if path in self._columns:
            return
        self._columns[path], self._rows[path] = columns, []
        self._write(part_log.pack({"table": path, "columns": columns}))

    def has_table(self, path: str) -> bool:
        return path in self._columns

    def attributes(self, group: str, values: dict[str, Any]) -> None:
        """Set attributes of a group (`/`: the whole run) and write them to disk."""
        self._write(part_log.pack({"attributes": group, "values": values}))

    def append(self, path: str, *values: Any) -> None:
        """Add a row to a table that `add_table` made."""
        if self._file is None:
            return
        rows = self._rows[path]
        rows.append(values)
        if len(rows) >= BUFFER_ROWS:
            self.flush()

    def append_named(self, path: str, values: dict[str, float]) -> None:
        """Add a row of float64 columns to a table; the first row creates it."""
        if path not in self._columns:
            self.add_table(path, schema.float_columns(list(values)))
        self.append(path, *values.values())

    def event(self, time_s: float, kind: str, text: str) -> None:
        self.append("events", time_s, self.rank, kind, text)

    def flush_if_due(self) -> None:
        if perf_counter() - self._last_flush >= self._flush_s:
            self.flush()

    def flush(self) -> None:
        """Hand every buffered row to the operating system."""
        self._last_flush = perf_counter()
        frames = []
        for path, rows in self._rows.items():
            if rows:
                frames.append(part_log.pack_rows(path, self._columns[path], rows))
                rows.clear()
        self._write(b"".join(frames))

    def flushed_bytes(self) -> int:
        """Flush and return the part's length, for `keep_bytes`; 0 if recording has stopped."""
        self.flush()
        return self._file.tell() if self._file is not None else 0

    def close(self) -> None:
        """Flush and close; closing twice is allowed."""
        self.flush()
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            self._give_up(error)
        self._file = None

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left and self._file is not None:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        reason = os.strerror(error.errno) if error.errno else str(error)
        self.cut = f"trace of rank {self.rank} is cut: {reason}"
        warn(f"{self.cut}; training goes on")
        self._file = None
