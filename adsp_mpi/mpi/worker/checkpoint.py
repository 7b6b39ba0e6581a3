"""A worker's file of a checkpoint: written while everybody stands still, read on resume."""

import errno
from pathlib import Path
from typing import Any

from adsp_mpi.core.board import Row
from adsp_mpi.core.saved import put_worker_state, worker_state
from adsp_mpi.core.worker import WorkerState
from adsp_mpi.learn.random_state import put_random_state, random_state
from adsp_mpi.learn.replica import Replica
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.mpi.worker.commit import CommitPath
from adsp_mpi.runtime.checkpoint_files import (
    load,
    save,
    unfinished,
    worker_file,
)
from adsp_mpi.trace.part_writer import PartWriter


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
            "trainer": self.trainer.state_dict(),
            "replica": self._replica.state_dict(),
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
        self.trainer.load_state_dict(state["trainer"])
        self._replica.load_state_dict(state["replica"])
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
