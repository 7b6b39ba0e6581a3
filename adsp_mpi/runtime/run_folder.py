"""The folder of a run: its name, that it holds no other run, and how to go on from it."""

import os
import time
from pathlib import Path

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from adsp_mpi.runtime.resume import AUTO
from adsp_mpi.trace import schema

SERVER_LOST = "server-lost"
"""The worker that makes this file in the run's folder is the one to say that rank 0 is gone."""


def default_folder(config: Config) -> str:
    name = config.sync.model.rpartition(":")[2]
    return f"runs/{time.strftime('%Y%m%d-%H%M%S')}-{name}"


def how_to_resume(folder: Path) -> str:
    """What to tell of a run that was stopped."""
    if not whole_checkpoints(folder):
        ended = (folder / schema.TRACE_NAME).exists()
        merge = f"python -m adsp_mpi.analysis merge {folder}"
        return f"trace and model are in {folder}" if ended else f"what it recorded: {merge}"
    return f"go on with --resume {folder}"


def make_folder(folder: Path, resume: str) -> None:
    """The run's folder, empty of other runs but one to `resume`; else UsageError.

    With "auto" a run that was killed before its first checkpoint begins anew; its parts stay
    beside the new ones.
    """
    resumes = resume and whole_checkpoints(folder)
    parts = folder / schema.PARTS_NAME
    ended = (folder / schema.TRACE_NAME).exists()
    if resume == AUTO and not resumes and not ended and parts.exists():
        parts.rename(parts.with_name(f"{parts.name}-{time.strftime('%Y%m%d-%H%M%S')}"))
    elif not resumes and (ended or any(parts.glob("*")) or whole_checkpoints(folder)):
        raise UsageError(f"{folder} holds a run already; --resume it, or choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {os.strerror(error.errno or 0)}") from error
    (folder / SERVER_LOST).unlink(missing_ok=True)
    if resumes and parts.exists():
        (folder / schema.TRACE_NAME).unlink(missing_ok=True)
