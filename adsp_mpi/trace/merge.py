"""Merges the parts of a run, finished or killed, into one file."""

import os
from pathlib import Path

import h5py
import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.trace import schema


def merge_parts(folder: Path) -> tuple[Path, list[str]]:
    """Make `folder`/trace.h5 of `folder`/parts; returns its path and what was left out, in words.

    Whole groups are copied file to file, so memory stays small. The parts are deleted when all
    of them could be read. Raises AdspError when there is none.
    """
    parts = sorted((folder / schema.PARTS_NAME).glob("rank-*.h5"))
    if not parts:
        raise AdspError(f"{folder}: no parts of a trace in {folder / schema.PARTS_NAME}")
    target = folder / schema.TRACE_NAME
    unfinished = target.with_suffix(".h5.unfinished")
    left_out: list[str] = []
    events: list[np.ndarray] = []
    with h5py.File(unfinished, "w", locking=False) as merged:
        for part in parts:
            try:
                with h5py.File(part, "r", locking=False) as source:
                    _copy(source, merged, events)
            except (OSError, KeyError, RuntimeError) as error:
                left_out.append(f"{part.name} is damaged ({str(error).splitlines()[0]})")
        _write_events(merged, events)
        merged.attrs["format"] = schema.FORMAT
        merged.attrs["version"] = schema.VERSION
        merged.attrs["left_out"] = "; ".join(left_out)
    os.replace(unfinished, target)
    if not left_out:
        for part in parts:
            part.unlink()
        (folder / schema.PARTS_NAME).rmdir()
    return target, left_out


def _copy(source: h5py.File, merged: h5py.File, events: list[np.ndarray]) -> None:
    if source.attrs.get("format") != schema.FORMAT:
        raise OSError("not a part of an adsp_mpi trace")
    if source.attrs.get("version") != schema.VERSION:
        raise OSError(f"trace version {source.attrs.get('version')}, not {schema.VERSION}")
    for group in ("ps", "workers"):
        for name in source.get(group, {}):
            source.copy(f"{group}/{name}", merged.require_group(group))
    if source.attrs["rank"] == 0:
        merged.attrs.update({k: v for k, v in source.attrs.items() if k != "rank"})
    events.append(source["events"][:])


def _write_events(merged: h5py.File, events: list[np.ndarray]) -> None:
    dtype = schema.numpy_dtype(schema.EVENTS)
    rows = np.concatenate([np.zeros(0, dtype), *events]).astype(dtype)
    rows = rows[np.argsort(rows["time_s"], kind="stable")]
    dataset = merged.create_dataset("events", data=rows, dtype=dtype)
    dataset.attrs["columns"] = schema.columns_text(schema.EVENTS)
