"""The board: what every rank can see of the run, held in one flat float64 array.

Four parts, each with one kind of writer, so that no write can undo another:

    header    targets and stage of the run          only rank 0 writes
    counters  landed commits, failures, interrupts  anyone adds, nobody overwrites
    assigned  what rank 0 says about each worker    only rank 0 writes
    rows      what each worker says about itself    worker i writes row i

The board does not know where its array lives: the MPI engine copies it out of a window, the
simulator keeps it in memory. Counts are exact up to 2**53.
"""

import math
from dataclasses import fields
from enum import IntEnum

import numpy as np

from adsp_mpi.core.actions import Targets
from adsp_mpi.core.row import ROW_FIELDS


class Stage(IntEnum):
    """Where the run stands, told to everyone in the header."""

    TRAIN = 0
    PAUSE = 1  # workers finish their commit in flight and stand still
    STOP = 2  # workers finish their commit in flight and leave
    ALIGN = 3  # workers measure their clock a second time and close their trace
    CLOSED = 4  # everything is written; say that this has been seen
    OVER = 5  # everyone has, or is lost: leave MPI


class Presence(IntEnum):
    """What a worker says about itself."""

    TRAINING = 0
    PAUSED = 1  # stands still, no commit in flight
    LEFT = 2  # takes part in nothing any more
    CLOSED = 3  # its trace is closed too
    GONE = 4  # it knows that all is written


TARGET_FIELDS = tuple(f.name for f in fields(Targets))
OWN_FIELDS = ("version", "stage", "restores", "exit_code", "checkpoint", "server_s")
HEADER_FIELDS = OWN_FIELDS + TARGET_FIELDS
COUNTER_FIELDS = ("landed", "failures", "interrupts")
ASSIGNED_FIELDS = (
    "lost",  # 1: given up for dead, or a spare that is not needed yet
    "batch_size",
    "share",  # of the data that it trains on; -1: none
    "admitted",  # how often it was taken in; the counts below are what it goes on from
    "from_steps",
    "from_commits",
    "from_rounds",
    "from_pulls",
)
_ASSIGNED = {name: i for i, name in enumerate(ASSIGNED_FIELDS)}
_ROW = {name: i for i, name in enumerate(ROW_FIELDS)}


class Board:
    """Named views on the board's array; writing to a view writes to the array."""

    def __init__(self, num_workers: int, data: np.ndarray | None = None) -> None:
        size = self.size(num_workers)
        if data is None:
            data = np.zeros(size)
        if data.shape != (size,) or data.dtype != np.float64:
            raise ValueError(f"a board of {num_workers} workers is float64[{size}]")
        self.num_workers = num_workers
        self.data = data
        self.seen = math.nan
        """What `minimum` answered last: what a decision was based on."""
        counters = len(HEADER_FIELDS)
        assigned = counters + len(COUNTER_FIELDS)
        rows = assigned + num_workers * len(ASSIGNED_FIELDS)
        self.header = data[:counters]
        self.counters = data[counters:assigned]
        self.assigned = data[assigned:rows].reshape(num_workers, len(ASSIGNED_FIELDS))
        self.rows = data[rows:].reshape(num_workers, len(ROW_FIELDS))
        self.counters_offset = counters
        self.assigned_offset = assigned
        self.rows_offset = rows

    @staticmethod
    def size(num_workers: int) -> int:
        """Number of float64 elements of the board of `num_workers` workers."""
        per_worker = len(ASSIGNED_FIELDS) + len(ROW_FIELDS)
        return len(HEADER_FIELDS) + len(COUNTER_FIELDS) + num_workers * per_worker

    def row_offset(self, worker: int) -> int:
        """First element of the row of `worker`."""
        return self.rows_offset + worker * len(ROW_FIELDS)

    def column(self, name: str) -> np.ndarray:
        """One number per worker, float64[M]."""
        return self.rows[:, _ROW[name]]

    def assignment(self, name: str) -> np.ndarray:
        """What rank 0 says of every worker, float64[M]."""
        return self.assigned[:, _ASSIGNED[name]]

    @property
    def version(self) -> int:
        """Rises by one with every change of the targets."""
        return int(self.header[0])

    @property
    def stage(self) -> Stage:
        return Stage(int(self.header[1]))

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self.header[1] = stage

    @property
    def restores(self) -> int:
        """How often the workers were sent back to a snapshot."""
        return int(self.header[2])

    @restores.setter
    def restores(self, restores: int) -> None:
        self.header[2] = restores

    @property
    def exit_code(self) -> int:
        """What every rank exits with, told before the run is closed."""
        return int(self.header[3])

    @exit_code.setter
    def exit_code(self, exit_code: int) -> None:
        self.header[3] = exit_code

    @property
    def checkpoint(self) -> int:
        """The number of the checkpoint that was begun last; who stands still writes its part."""
        return int(self.header[4])

    @checkpoint.setter
    def checkpoint(self, number: int) -> None:
        self.header[4] = number

    @property
    def server_s(self) -> float:
        """When rank 0 last gave a sign of life, seconds since the run's start."""
        return float(self.header[5])

    @server_s.setter
    def server_s(self, now: float) -> None:
        self.header[5] = now

    @property
    def targets(self) -> Targets:
        return Targets(*map(float, self.header[6:]))

    @targets.setter
    def targets(self, targets: Targets) -> None:
        """The version rises last: who sees it and reads again finds the new targets."""
        self.header[6:] = [getattr(targets, name) for name in TARGET_FIELDS]
        self.header[0] += 1

    @property
    def landed(self) -> int:
        """Commits of all workers applied to the global model so far."""
        return int(self.counters[0])

    @property
    def failures(self) -> int:
        """Ranks that have failed."""
        return int(self.counters[1])

    @property
    def interrupts(self) -> int:
        """Signals that workers received and that ask for the end of the run."""
        return int(self.counters[2])

    @property
    def lost(self) -> np.ndarray:
        """Which workers rank 0 has given up, bool[M]."""
        lost: np.ndarray = self.assigned[:, 0] != 0
        return lost

    @property
    def batch_sizes(self) -> np.ndarray:
        """Assigned by the scheduler, float64[M]; 0: as configured."""
        sizes: np.ndarray = self.assigned[:, 1]
        return sizes

    @property
    def present(self) -> np.ndarray:
        """Which workers count: neither left nor lost, bool[M]."""
        present: np.ndarray = (self.column("presence") <= Presence.PAUSED) & ~self.lost
        return present

    def is_lost(self, worker: int) -> bool:
        """Whether rank 0 does not count on `worker`."""
        return bool(self.assigned[worker, 0])

    def trains(self, worker: int) -> bool:
        """Whether `worker` is to train now."""
        return self.stage is Stage.TRAIN and not self.is_lost(worker)

    def forget_seen(self) -> None:
        """A decision begins: it has not looked at any count yet."""
        self.seen = math.nan

    def minimum(self, name: str) -> float:
        """Smallest value of a column over the present workers; infinity when none is present."""
        values = self.column(name)[self.present]
        self.seen = float(values.min()) if values.size else math.inf
        return self.seen

    def validate(self) -> None:
        """Raise ValueError where the board contradicts itself."""
        begun, commits = self.column("begun"), self.column("commits")
        if (commits > begun).any() or (begun > commits + 1).any():
            raise ValueError(f"more than one commit in flight: begun {begun}, done {commits}")
        made = (commits - self.column("excused_commits")).sum()
        if made > self.landed:
            raise ValueError(f"{made:.0f} commits done but {self.landed} landed")
