"""Reads a user's data files; errors name the file, the row and the reason."""

import csv
import io
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adsp_mpi.errors import AdspError, UsageError

SHOWN_CHARACTERS = 40


def required_path(value: object, option: str, meaning: str) -> Path:
    """The path given as `task.<option>`; UsageError, with its meaning, if it is missing."""
    if not isinstance(value, str) or not value:
        raise UsageError(f"set task.{option} to {meaning}")
    return Path(os.path.expanduser(value))


def read_bytes(path: Path) -> bytes:
    """The contents of a file; AdspError if it is missing, unreadable or empty."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AdspError(f"{path}: {os.strerror(error.errno or 0)}") from error
    if not content:
        raise AdspError(f"{path} is empty")
    return content


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with newlines normalised; AdspError if it is not UTF-8."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AdspError(f"{path} is not UTF-8 text") from error
    return text.replace("\r\n", "\n")


def is_number(text: str) -> bool:
    """Whether `text` is a float, finite or not."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def finite(text: str, where: str) -> float:
    """`text` as a finite float; AdspError, starting with `where`, if it is not one."""
    shown = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."
    if not is_number(text):
        raise AdspError(f"{where}: {shown!r} is not a number")
    if not math.isfinite(float(text)):
        raise AdspError(f"{where}: {shown!r} is not finite")
    return float(text)


def read_series(path: Path) -> np.ndarray:
    """Read a file with one number per line, float64[N]; AdspError names a row without one."""
    lines = read_text(path).rstrip().split("\n")
    return np.array([finite(line, f"{path}, row {i}") for i, line in enumerate(lines, start=1)])


@dataclass(frozen=True)
class Table:
    """A CSV file: `rows[i]` holds one text per column and ends on line `lines[i]` of the file."""

    path: Path
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]

    def texts(self, column: str) -> list[str]:
        """A column as text."""
        return [row[self.columns.index(column)] for row in self.rows]

    def numbers(self, column: str) -> np.ndarray:
        """A column as float64[N]; AdspError names a row without a finite number."""
        texts = zip(self.texts(column), self.lines, strict=True)
        return np.array([finite(t, f"{self.path}, row {n}, column {column!r}") for t, n in texts])


def read_table(path: Path) -> Table:
    """Read a comma-separated file whose first line names its columns; empty lines are skipped.

    Raises AdspError for two columns with the same name, and for a row with more or fewer values.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:
                rows.append([value.strip() for value in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise AdspError(f"{path}, row {reader.line_num}: {error}") from error
    if not rows:
        raise AdspError(f"{path} is empty")
    columns = rows[0]
    for i, column in enumerate(columns):
        if column in columns[:i]:
            raise AdspError(f"{path}, row {lines[0]}: two columns are named {column!r}")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(columns):
            raise AdspError(f"{path}, row {line}: {len(row)} values for {len(columns)} columns")
    return Table(path, columns, rows[1:], lines[1:])
