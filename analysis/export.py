"""`export RUN --to csv|parquet`: writes every table of a trace to a file, block by block."""

import argparse
import csv
import json
import os
from pathlib import Path
from typing import Any, Callable, Iterator, Protocol

import numpy as np

from adsp_mpi.analysis.extras import require
from adsp_mpi.analysis.run_trace import RunTrace

HELP = "write every table of a trace as CSV or Parquet"
BLOCK_ROWS = 1 << 17


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", metavar="RUN", help="a run's folder or its trace.h5")
    parser.add_argument("--to", required=True, choices=sorted(SINKS), help="the format")
    out = "folder of the files; default: export, in the run's folder"
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help=out)


def run(options: argparse.Namespace) -> None:
    for path in export(options.trace, options.to, options.out):
        print(path)


def export(path: str | Path, to: str, folder: Path | None = None) -> list[Path]:
    """Write the tables of the trace at `path` into `folder`; returns the files.

    The tables of all workers become one, with a first column `worker`. columns.json holds the
    unit of every column, run.json the attributes of the run. Raises AdspError if that fails.
    """
    if to == "parquet":
        require("pyarrow", "parquet needs")
    with RunTrace(path) as trace:
        folder = trace.path.parent / "export" if folder is None else folder
        folder.mkdir(parents=True, exist_ok=True)
        units: dict[str, dict[str, str]] = {}
        for name, sources in _tables(trace).items():
            units[f"{name}.{to}"] = _units(trace, sources)
            _write_table(folder / f"{name}.{to}", units[f"{name}.{to}"], _blocks(trace, sources))
        workers = {str(worker): trace.worker_meta(worker) for worker in trace.workers}
        _write_json(folder / "columns.json", units)
        _write_json(folder / "run.json", {**trace.meta, "workers": workers})
    return [folder / name for name in (*units, "columns.json", "run.json")]


Sources = list[tuple[int | None, str]]
"""The tables that go into one file, each with the number of its worker."""

Block = dict[str, np.ndarray]
"""A block of rows, by column."""


def _tables(trace: RunTrace) -> dict[str, Sources]:
    """The tables that go into each file, by the file's name without suffix."""
    found: dict[str, Sources] = {}
    for path in trace.tables:
        group, _, rest = path.partition("/")
        if group == "workers":
            worker, _, name = rest.partition("/")
            found.setdefault(f"workers_{name}", []).append((int(worker), path))
        else:
            found[path.replace("/", "_")] = [(None, path)]
    return {name: sorted(sources) for name, sources in found.items()}


def _units(trace: RunTrace, sources: Sources) -> dict[str, str]:
    worker, path = sources[0]
    own = {} if worker is None else {"worker": "number of the worker"}
    return own | trace.units(path)


def _blocks(trace: RunTrace, sources: Sources) -> Iterator[Block]:
    """Yield the rows by column, `BLOCK_ROWS` at a time, with text decoded."""
    for worker, path in sources:
        for first in range(0, max(trace.length(path), 1), BLOCK_ROWS):
            rows = trace.table(path, first, first + BLOCK_ROWS)
            own = {} if worker is None else {"worker": np.full(len(rows), worker, "i4")}
            yield own | {name: _decoded(rows[name]) for name in rows.dtype.names or ()}


def _write_table(path: Path, units: dict[str, str], blocks: Iterator[Block]) -> None:
    unfinished = path.with_name(f"{path.name}.unfinished")
    with SINKS[path.suffix[1:]](unfinished, units) as sink:
        for block in blocks:
            sink.write(block)
    os.replace(unfinished, path)


def _decoded(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind not in "SO":
        return column
    return np.array([value.decode(errors="replace") for value in column], dtype=object)


class Sink(Protocol):
    """A file to which blocks of rows are written."""

    def __enter__(self) -> "Sink": ...

    def __exit__(self, *_: object) -> None: ...

    def write(self, block: Block) -> None: ...


class CsvFile:
    """A CSV file; numbers are the shortest text that reads back as the same number."""

    def __init__(self, path: Path, units: dict[str, str]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(units)

    def __enter__(self) -> "CsvFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, block: Block) -> None:
        columns = [
            map(str, column) if column.dtype == np.float32 else column.tolist()
            for column in block.values()
        ]
        self._writer.writerows(zip(*columns, strict=True))


class ParquetFile:
    """A Parquet file; a block is a row group, and the fields' metadata hold the units."""

    def __init__(self, path: Path, units: dict[str, str]) -> None:
        self._path, self._units = path, units
        self._writer: Any = None

    def __enter__(self) -> "ParquetFile":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, block: Block) -> None:
        import pyarrow
        from pyarrow import parquet

        arrays = {
            name: pyarrow.array(column, pyarrow.string() if column.dtype.kind == "O" else None)
            for name, column in block.items()
        }
        fields = [
            pyarrow.field(name, array.type, metadata={"unit": self._units[name]})
            for name, array in arrays.items()
        ]
        table = pyarrow.table(list(arrays.values()), pyarrow.schema(fields))
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table)


SINKS: dict[str, Callable[[Path, dict[str, str]], Sink]] = {"csv": CsvFile, "parquet": ParquetFile}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=1, default=lambda number: number.item(), ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
