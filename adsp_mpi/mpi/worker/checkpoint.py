"""A worker's file of a checkpoint, written while all workers pause and read on resume."""

import errno
from pathlib import Path
from typing import Any

from adsp_mpi.core.worker import Worker
from adsp_mpi.learn.random_state import put_random_state, random_state
from adsp_mpi.learn.replica import Replica
from adsp_mpi.learn.workload import Training
from adsp_mpi.mpi.worker.commit import CommitPath
from adsp_mpi.runtime.checkpoint_files import (
    load,
    save,
    unfinished,
    worker_file,
)
from adsp_mpi.trace.part_writer import PartWriter


class WorkerSaver:
    """Writes and reads one worker's file of a checkpoint."""

    def __init__(
        self,
        folder: Path,
        worker: Worker,
        training: Training,
        replica: Replica,
        commits: CommitPath,
        part: PartWriter,
    ) -> None:
        self._folder = folder
        self._worker, self.training, self._replica = worker, training, replica
        self._commits, self._part = commits, part

    def save(self, number: int) -> int:
        """Write this worker's file of checkpoint `number`; returns an errno, or 0 for success."""
        state = {
            "worker": self._worker.state_dict(),
            "training": self.training.state_dict(),
            "replica": self._replica.state_dict(),
            "commits": self._commits.state_dict(),
            "random": random_state(),
            "part_bytes": self._part.flushed_bytes(),
        }
        folder = unfinished(self._folder, number)
        try:
            save(folder / worker_file(self._worker.index), state)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from `state`, which this worker wrote."""
        self._worker.load_state_dict(state["worker"])
        self.training.load_state_dict(state["training"])
        self._replica.load_state_dict(state["replica"])
        self._commits.load_state_dict(state["commits"])
        put_random_state(state["random"])

    def catch_up(self) -> None:
        """Continue as a worker that had left before the checkpoint, from its row's counts."""
        self._worker.take_counts_of_row()
        self.training.steps = self._worker.steps


def saved_state(checkpoint: Path, worker: int) -> dict[str, Any]:
    """The state that `worker` wrote into a checkpoint; {} if it took no part in it."""
    path = checkpoint / worker_file(worker)
    return load(path) if path.exists() else {}
