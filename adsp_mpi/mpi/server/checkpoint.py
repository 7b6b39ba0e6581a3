"""Writes a checkpoint from rank 0: its own file, and the checkpoint as a whole."""

import shutil
from pathlib import Path
from typing import Any

from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.runtime.checkpoint_files import SERVER, Checkpoints, save
from adsp_mpi.runtime.saved_model import HomeFile
from adsp_mpi.trace.part_writer import PartWriter


class ServerSaver:
    """Writes rank 0's file of a checkpoint, and completes the checkpoint."""

    def __init__(self, ready: Prepared, part: PartWriter) -> None:
        self._ready = ready
        self._part = part
        keep = ready.config.checkpoint
        self._checkpoints = Checkpoints(ready.folder, keep.keep, keep.keep_every_s)
        self._home = HomeFile(ready.folder, ready.model)
        self._path: Path | None = None

    def begin(self) -> int:
        """Create the folder of a checkpoint and return its number; OSError if that fails."""
        self._path = self._checkpoints.begin()
        self._home.write()
        return int(self._path.stem)

    def drop(self) -> None:
        """Give up the checkpoint that was begun: it will not be whole."""
        if self._path:
            shutil.rmtree(self._path, ignore_errors=True)

    def finish(self, server: dict[str, Any], ended: str) -> Path:
        """Write rank 0's file, once every worker has written its own; returns the checkpoint.

        `server` is the state of the `Server`; `ended` is the reason if the run is over. Raises
        OSError if the disk is full.
        """
        assert self._path
        state = {
            "config": self._ready.config.to_toml(),
            "num_workers": self._ready.world.num_workers,
            "layout": self._ready.model.layout,
            "table": self._ready.model.table,
            "step_time_s": min(c.step_time_s for c in self._ready.profile.workers),
            "part_bytes": self._part.flushed_bytes(),
            "ended": ended,
            "server": server,
        }
        save(self._path / SERVER, state)
        return self._checkpoints.finish(self._path)
