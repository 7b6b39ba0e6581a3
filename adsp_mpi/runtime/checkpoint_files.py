"""Checkpoint folders, which become visible only when they are complete.

    RUN/checkpoints/00000003/             the third checkpoint: a file from each rank in it
    RUN/checkpoints/00000004.unfinished/  the run ended while this one was written: never read

Files contain JSON and arrays only; nothing in them is executed. When all files are on disk, the
folder is renamed to its final name in one atomic step.
"""

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from adsp_mpi.errors import AdspError

FOLDER = "checkpoints"
UNFINISHED = ".unfinished"
SERVER = "server.npz"
TEXT = "state"
"""The key of the JSON text among a file's arrays."""


def worker_file(worker: int) -> str:
    """The name of the file that `worker` writes into a checkpoint."""
    return f"worker-{worker:05d}.npz"


class Checkpoints:
    """A run's checkpoints: keeps the newest `keep`, and one for every `keep_every_s` seconds."""

    def __init__(self, folder: Path, keep: int, keep_every_s: float) -> None:
        self._folder = folder / FOLDER
        self._keep = keep
        self._keep_every_s = keep_every_s

    def begin(self) -> Path:
        """Create the empty folder for the files of the next checkpoint and return its path."""
        whole = whole_checkpoints(self._folder.parent)
        path = unfinished(self._folder.parent, int(whole[-1].name) + 1 if whole else 1)
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def finish(self, path: Path) -> Path:
        """Make the complete folder `path` the newest checkpoint; returns its final path."""
        whole = path.with_suffix("")
        _sync(path)
        os.replace(path, whole)
        _sync(self._folder)
        self._remove_old()
        return whole

    def _remove_old(self) -> None:
        whole = whole_checkpoints(self._folder.parent)
        last_s = -np.inf
        for path in whole[: -self._keep]:
            written_s = path.stat().st_mtime
            if self._keep_every_s and written_s - last_s >= self._keep_every_s:
                last_s = written_s
            else:
                shutil.rmtree(path, ignore_errors=True)


def unfinished(run: Path, number: int) -> Path:
    """The folder in which the files of checkpoint `number` are written."""
    return run / FOLDER / f"{number:08d}{UNFINISHED}"


def whole_checkpoints(run: Path) -> list[Path]:
    """The complete checkpoints of the run in folder `run`, oldest first."""
    return sorted(p for p in (run / FOLDER).glob("[0-9]*") if p.name.isdecimal())


def newest_checkpoint(run: Path) -> Path:
    """The newest checkpoint of a run that can be read; AdspError if there is none."""
    damaged = []
    for path in reversed(whole_checkpoints(run)):
        trouble = [text for file in sorted(path.glob("*.npz")) if (text := _damage(file))]
        if not trouble and (path / SERVER).exists():
            return path
        damaged.append(f"{path} is damaged ({(trouble or ['no ' + SERVER])[0]})")
    raise AdspError("; ".join(damaged) or f"{run}: no checkpoint in {run / FOLDER}")


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state`, JSON with numpy arrays anywhere in it, and wait until it is on disk."""
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(state, default=lambda value: _set_aside(value, arrays))
    arrays[TEXT] = np.frombuffer(text.encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())


UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile)
"""The errors that the zip reader raises for a damaged file."""


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote; AdspError if the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            text = arrays[TEXT].tobytes().decode()
            content: dict[str, Any] = json.loads(
                text, object_hook=lambda d: arrays[d["="]] if "=" in d else d
            )
            return content
    except (*UNREADABLE, KeyError) as error:
        raise AdspError(f"{path}: not a whole checkpoint file: {error}") from error


def _set_aside(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{type(value).__name__} cannot be saved")
    name = f"a{len(arrays)}"
    arrays[name] = value
    return {"=": name}


def _damage(path: Path) -> str:
    """Describe what is wrong with a file; empty if every byte is as it was written."""
    try:
        with zipfile.ZipFile(path) as file:
            bad = file.testzip()
    except UNREADABLE as error:
        return f"{path.name}: {error}"
    return f"{path.name}: {bad}" if bad else ""


def _sync(folder: Path) -> None:
    """Wait until the folder's directory entries are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
