"""Reads a trace: tables as numpy structured arrays or pandas frames."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.trace import part_log, schema

if TYPE_CHECKING:
    import pandas


class Trace:
    """A merged trace; `path` is the file or the run's folder.

        with adsp_mpi.trace.open("runs/a") as trace:
            losses = trace.frame("ps/evals")[["time_s", "loss"]]
            speed = [len(trace.table(f"workers/{i}/steps")) for i in trace.workers]

    Raises AdspError for a file that is not a trace, or has another schema version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            self.path = self.path / schema.TRACE_NAME
        try:
            self._file = _open(self.path)
        except OSError as error:
            raise AdspError(f"{self.path}: {_why_unreadable(self.path, error)}") from error
        if refusal := schema.refusal(self._file.attrs):
            self.close()
            raise AdspError(f"{self.path}: {refusal}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def meta(self) -> dict[str, Any]:
        """The attributes of the run: config (TOML), seed, versions, hosts and so on."""
        return dict(self._file.attrs)

    @property
    def workers(self) -> list[int]:
        """The numbers of the workers in the trace, ascending."""
        return sorted(int(name) for name in self._file.get("workers", {}))

    def worker_meta(self, worker: int) -> dict[str, Any]:
        """The attributes of a worker: its host, its clock, its share of the data."""
        return dict(self._file[f"workers/{worker}"].attrs)

    @property
    def tables(self) -> list[str]:
        """The paths of all tables, such as `ps/evals`."""
        found: list[str] = []
        self._file.visititems(
            lambda name, node: found.append(name) if isinstance(node, h5py.Dataset) else None
        )
        return found

    def table(self, path: str, first: int | None = None, end: int | None = None) -> np.ndarray:
        """A table, or its rows from `first` to before `end`, as a structured array [rows].

        Raises AdspError if there is no such table or it cannot be read.
        """
        dataset = self._dataset(path)
        try:
            rows: np.ndarray = dataset[first:end]
        except (OSError, RuntimeError) as error:
            raise AdspError(f"{self.path}: {path} is damaged: {_first_line(error)}") from error
        return rows

    def length(self, path: str) -> int:
        """The number of rows of a table; AdspError if there is no such table."""
        return len(self._dataset(path))

    def units(self, path: str) -> dict[str, str]:
        """The meaning and unit of each column of a table; AdspError if there is no such table."""
        dataset = self._dataset(path)
        told = json.loads(dataset.attrs.get("columns", "{}"))
        return {name: told.get(name, "") for name in dataset.dtype.names or ()}

    def frame(self, path: str) -> "pandas.DataFrame":
        """A table as a pandas frame: byte strings are decoded, `attrs` holds the columns' units.

        Its `to_xarray()` is an xarray Dataset. Raises AdspError if pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise AdspError("frames need pandas: pip install pandas, or take table()") from None
        rows = self.table(path)
        frame = pandas.DataFrame({name: rows[name] for name in rows.dtype.names or ()})
        for name, values in frame.items():
            if rows.dtype[str(name)].kind in "SO":
                frame[name] = [v.decode() for v in values]
        frame.attrs.update(self.units(path))
        return frame

    def _dataset(self, path: str) -> h5py.Dataset:
        node = self._file.get(path)
        if not isinstance(node, h5py.Dataset):
            raise AdspError(f"{self.path}: no table {path}; there are: {', '.join(self.tables)}")
        return node


def _open(path: Path) -> h5py.File:
    """Open without a lock, which some network file systems refuse.

    If this process has the file open with a lock already, HDF5 demands a lock here too.
    """
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        return h5py.File(path, "r")


def _why_unreadable(path: Path, error: OSError) -> str:
    if not path.exists():
        return "no such file"
    if path.suffix == part_log.SUFFIX:
        run = path.absolute().parent.parent
        return f"the part of one rank; all of them: python -m adsp_mpi.analysis merge {run}"
    return f"not a readable HDF5 file: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
