"""Reads a trace: tables as numpy structured arrays or pandas frames."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.trace import schema

if TYPE_CHECKING:
    import pandas


class Trace:
    """A merged trace, or the part of one rank. `path` may be the run's folder.

        with adsp_mpi.trace.open("runs/a") as trace:
            losses = trace.frame("ps/evals")[["time_s", "loss"]]
            speed = [len(trace.table(f"workers/{i}/steps")) for i in trace.workers]

    Raises AdspError for a file that is no trace or a newer one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            self.path = self.path / schema.TRACE_NAME
        try:
            self._file = h5py.File(self.path, "r", locking=False)
        except OSError as error:
            missing = not self.path.exists()
            text = str(error).splitlines()[0]
            reason = "no such file" if missing else f"not a readable HDF5 file: {text}"
            raise AdspError(f"{self.path}: {reason}") from error
        version = self._file.attrs.get("version")
        if self._file.attrs.get("format") != schema.FORMAT:
            self.close()
            raise AdspError(f"{self.path}: an HDF5 file, but not a trace of adsp_mpi")
        if version != schema.VERSION:
            self.close()
            raise AdspError(
                f"{self.path}: trace version {version}; this program reads {schema.VERSION}"
            )

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def meta(self) -> dict[str, Any]:
        """Attributes of the run: config (TOML), seed, versions, hosts and so on."""
        return dict(self._file.attrs)

    @property
    def workers(self) -> list[int]:
        """Numbers of the workers that have a part in the trace."""
        return sorted(int(name) for name in self._file.get("workers", {}))

    def worker_meta(self, worker: int) -> dict[str, Any]:
        """Where worker `worker` ran, its clock and its share of the data."""
        return dict(self._file[f"workers/{worker}"].attrs)

    @property
    def tables(self) -> list[str]:
        """Paths of all tables, such as `ps/evals`."""
        found: list[str] = []
        self._file.visititems(
            lambda name, node: found.append(name) if isinstance(node, h5py.Dataset) else None
        )
        return found

    def table(self, path: str) -> np.ndarray:
        """A table as a structured array [rows]; AdspError when there is none of that name."""
        if path not in self._file:
            raise AdspError(f"{self.path}: no table {path}; there are: {', '.join(self.tables)}")
        return self._file[path][:]

    def frame(self, path: str) -> "pandas.DataFrame":
        """A table as a pandas frame, byte strings decoded; AdspError without pandas."""
        try:
            import pandas
        except ImportError:
            raise AdspError("frames need pandas: pip install pandas, or take table()") from None
        rows = self.table(path)
        frame = pandas.DataFrame({name: rows[name] for name in rows.dtype.names or ()})
        for name, values in frame.items():
            if rows.dtype[str(name)].kind in "SO":
                frame[name] = [v.decode() for v in values]
        return frame
