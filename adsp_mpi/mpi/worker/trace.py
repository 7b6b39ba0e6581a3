"""A worker's part of the trace."""

from functools import partial
from pathlib import Path

from adsp_mpi.core.worker_tables import Tables
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.runtime.server_trace import part_path
from adsp_mpi.trace import schema
from adsp_mpi.trace.part_writer import PartWriter


class WorkerTrace:
    """The part of one worker, with its four tables."""

    def __init__(self, folder: Path, world: World, flush_s: float, keep_bytes: int) -> None:
        self.part = PartWriter(part_path(folder, world.part), world.rank, flush_s, keep_bytes)
        self.group = f"workers/{world.worker}"
        for name, columns in schema.WORKER_TABLES.items():
            self.part.add_table(f"{self.group}/{name}", columns)
        self.tables = Tables(
            **{name: partial(self.part.append, f"{self.group}/{name}") for name in Tables._fields}
        )
