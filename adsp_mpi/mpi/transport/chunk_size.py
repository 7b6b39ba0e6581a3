"""The size of the operations of a commit: the best one found by `bench` for this MPI."""

import json
import os
from contextlib import suppress
from pathlib import Path

from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.mpi_library import library_version
from adsp_mpi.mpi.transport.remote_array import CHUNK_ELEMENTS


def chosen_chunk(world: World) -> int:
    """Collective: the number of elements in an operation, stored on rank 0, or the default."""
    mine = _stored().get(_key(world), CHUNK_ELEMENTS) if world.is_server else 0
    return world.comm.bcast(mine)


def store_chunk(world: World, num_elements: int) -> Path:
    """On rank 0: store `num_elements` per operation for later runs with this MPI."""
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**_stored(), _key(world): num_elements}, indent=1)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(text + "\n")
    part.replace(path)
    return path


def _key(world: World) -> str:
    return f"{library_version()}, {'one node' if world.one_node else 'several nodes'}"


def _path() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "adsp_mpi" / "chunk_elements.json"


def _stored() -> dict[str, int]:
    with suppress(OSError, ValueError):
        found = json.loads(_path().read_text())
        return {key: n for key, n in found.items() if isinstance(n, int) and n > 0}
    return {}
