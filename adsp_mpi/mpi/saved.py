"""What a rank writes into a checkpoint while everybody stands still, and how it goes on from it."""

import errno
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adsp_mpi.core.board import Row
from adsp_mpi.core.saved import put_worker_state, worker_state
from adsp_mpi.core.worker import WorkerState
from adsp_mpi.learn.random_state import put_random_state, random_state
from adsp_mpi.learn.replica import Replica
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.mpi.worker.commit import CommitPath
from adsp_mpi.runtime.checkpoint_files import (
    SERVER,
    Checkpoints,
    load,
    save,
    unfinished,
    worker_file,
)
from adsp_mpi.trace.part_writer import PartWriter

if TYPE_CHECKING:
    from adsp_mpi.mpi.server.loop import Server


class WorkerSaver:
    """One worker's file."""

    def __init__(
        self,
        folder: Path,
        me: WorkerState,
        trainer: Trainer,
        replica: Replica,
        commits: CommitPath,
        part: PartWriter,
    ) -> None:
        self._folder = folder
        self._me, self.trainer, self._replica = me, trainer, replica
        self._commits, self._part = commits, part

    def save(self, number: int) -> int:
        """Write this worker's file of checkpoint `number`; errno where the disk is full, else 0."""
        state = {
            "me": worker_state(self._me),
            "trainer": self.trainer.state,
            "replica": self._replica.state,
            "commits": self._commits.state,
            "random": random_state(),
            "part_bytes": self._part.flushed_bytes(),
        }
        folder = unfinished(self._folder, number)
        try:
            save(folder / worker_file(self._me.index), state)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def resume(self, state: dict[str, Any]) -> None:
        """Stand where this worker stood when it wrote `state`."""
        put_worker_state(self._me, state["me"])
        self.trainer.resume(state["trainer"])
        self._replica.resume(state["replica"])
        self._commits.resume(state["commits"])
        put_random_state(state["random"])

    def catch_up(self, row: Row) -> None:
        """Stand where this worker had left the run before the checkpoint: its counts are known."""
        me = self._me
        me.steps = self.trainer.steps = int(row.steps)
        me.begun = me.commits = int(row.commits)
        me.rounds, me.pulls = int(row.rounds), int(row.pulls)


def saved_state(checkpoint: Path, worker: int) -> dict[str, Any]:
    """What `worker` wrote into a checkpoint; {} where it took no part in it."""
    path = checkpoint / worker_file(worker)
    return load(path) if path.exists() else {}


class ServerSaver:
    """Rank 0's file, and the checkpoint as a whole."""

    def __init__(self, ready: Prepared, part: PartWriter) -> None:
        self._ready = ready
        self._part = part
        keep = ready.config.checkpoint
        self._checkpoints = Checkpoints(ready.folder, keep.keep, keep.keep_every_s)
        self._path: Path | None = None

    def begin(self) -> int:
        """Make room for a checkpoint and return its number; OSError where there is none."""
        self._path = self._checkpoints.begin()
        return int(self._path.stem)

    def drop(self) -> None:
        """The checkpoint that was begun will not be whole."""
        if self._path:
            shutil.rmtree(self._path, ignore_errors=True)

    def finish(self, server: "Server") -> None:
        """Every worker has written its file: write rank 0's; OSError where the disk is full."""
        assert self._path
        state = {
            "config": self._ready.config.to_toml(),
            "num_workers": self._ready.world.num_workers,
            "step_time_s": min(c.step_time_s for c in self._ready.profile.workers),
            "part_bytes": self._part.flushed_bytes(),
            "server": server.state,
        }
        save(self._path / SERVER, state)
        self._checkpoints.finish(self._path)
