"""The folder of a run: its name, the lock that keeps other runs out, how to resume from it."""

import errno
import fcntl
import os
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from adsp_mpi.runtime.resume import AUTO
from adsp_mpi.trace import schema

SERVER_LOST = "server-lost"
"""A worker that finds rank 0 gone creates this file; the one that succeeds reports it."""

LOCK = "lock"
"""The process that writes into the folder holds a lock on this file; the file itself stays."""


def how_to_resume(folder: Path) -> str:
    """The line for the user after a run was stopped: the command that resumes or merges it."""
    if not whole_checkpoints(folder):
        ended = (folder / schema.TRACE_NAME).exists()
        merge = f"python -m adsp_mpi.analysis merge {folder}"
        return f"trace and model are in {folder}" if ended else f"what it recorded: {merge}"
    return f"go on with --resume {folder}"


def make_folder(config: Config) -> tuple[Path, IO[str]]:
    """Create or take over the folder of a new or resumed run and lock it.

    The lock holds until the returned file is closed or the process dies. Without `run.out` the
    folder is a new one, runs/TIME-SCHEME. Raises UsageError where another process holds the lock,
    or where the folder contains a run that is not to be resumed. With `run.resume` = "auto", a run
    that was killed before its first checkpoint starts again; the parts of its trace are renamed
    and kept.
    """
    folder = Path(config.run.out or "runs")
    try:
        if not config.run.out:
            folder = _new_folder(config)
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a")
    except OSError as error:
        raise UsageError(f"--out {folder}: {os.strerror(error.errno or 0)}") from error
    try:
        _lock(lock, folder)
        _make_room(folder, config.run.resume)
    except BaseException:
        lock.close()
        raise
    return folder, lock


def _new_folder(config: Config) -> Path:
    """Create a folder that no other run has, also among runs that start in the same second."""
    scheme = config.sync.model.rpartition(":")[2]
    base = f"runs/{time.strftime('%Y%m%d-%H%M%S')}-{scheme}"
    for number in count(1):
        folder = Path(base if number == 1 else f"{base}-{number}")
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise AssertionError


def _lock(lock: IO[str], folder: Path) -> None:
    """Lock or raise UsageError; a file system without locks is used without one."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise UsageError(
                f"another run is writing into {folder} at this moment; choose another --out"
            ) from None


def _make_room(folder: Path, resume: str) -> None:
    """Clear the way for the run, in a locked folder, or raise UsageError."""
    parts = folder / schema.PARTS_NAME
    ended = (folder / schema.TRACE_NAME).exists()
    if whole_checkpoints(folder):
        if not resume:
            raise UsageError(
                f"{folder} holds a run already; go on with --resume {folder}, "
                "or choose another --out"
            )
        if parts.exists():
            (folder / schema.TRACE_NAME).unlink(missing_ok=True)
    elif ended:
        raise UsageError(
            f"{folder} holds a run already, without a checkpoint to resume from; "
            "choose another --out"
        )
    elif any(parts.glob("*")):
        if resume != AUTO:
            raise UsageError(
                f"{folder} holds a run already, killed before its first checkpoint; "
                "choose another --out, or start it again with --resume auto"
            )
        parts.rename(parts.with_name(f"{parts.name}-{time.strftime('%Y%m%d-%H%M%S')}"))
    (folder / SERVER_LOST).unlink(missing_ok=True)
