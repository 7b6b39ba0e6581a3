"""The board: what every rank can see of the run, held in one flat float64 array.

Four parts, each with one kind of writer, so that no write can undo another:

    header    targets and stage of the run          only rank 0 writes
    counters  landed commits, failures, interrupts  anyone adds, nobody overwrites
    assigned  rank 0's instructions to each worker  only rank 0 writes
    rows      each worker's own counts and times    worker i writes row i

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
    """The stage of the run, which rank 0 writes into the header."""

    TRAIN = 0
    PAUSE = 1  # workers finish their commit in flight and pause
    STOP = 2  # workers finish their commit in flight and leave
    ALIGN = 3  # workers measure their clock a second time and close their trace
    CLOSED = 4  # everything is written; workers confirm that they have seen it
    OVER = 5  # all workers that are not lost have confirmed: leave MPI


class PauseReason(IntEnum):
    """Why the stage is PAUSE; the trace shows the name of the reason in small letters."""

    SNAPSHOT = 0
    CHECKPOINT = 1
    ADMISSION = 2


class Presence(IntEnum):
    """A worker's state in the run, which it writes into its row."""

    TRAINING = 0
    PAUSED = 1  # pauses, with no commit in flight
    LEFT = 2  # has left the training
    CLOSED = 3  # has closed its trace
    GONE = 4  # knows that everything is written


TARGET_FIELDS = tuple(f.name for f in fields(Targets))
OWN_FIELDS = (
    "version", "stage", "restores", "exit_code", "checkpoint", "server_s", "pause", "progress",
    "snapshots",
)  # fmt: skip
HEADER_FIELDS = OWN_FIELDS + TARGET_FIELDS
COUNTER_FIELDS = (
    "landed",
    "failures",
    "interrupts",
    "dealt",  # positions in the common order of the samples that workers have taken
    "evaluator_life",  # heartbeats of the rank that evaluates, if there is one
)
ASSIGNED_FIELDS = (
    "lost",  # 1: given up, or a spare that is not needed yet
    "batch_size",
    "share",  # the share of the data that it trains on; -1: none
    "admitted",  # how often it was admitted; it goes on from the counts below
    "from_steps",
    "from_commits",
    "from_rounds",
    "from_pulls",
    "again",  # how many ranges of samples rank 0 has given it; before the two that it announces
    "again_from",
    "again_size",
)
_TRAIN = int(Stage.TRAIN)  # numpy takes 20 us to compare with the enum
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
        """The smallest value that `minimum` returned last: the basis of a decision."""
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
        """The number of float64 elements of a board for `num_workers` workers."""
        per_worker = len(ASSIGNED_FIELDS) + len(ROW_FIELDS)
        return len(HEADER_FIELDS) + len(COUNTER_FIELDS) + num_workers * per_worker

    def row_offset(self, worker: int) -> int:
        """The index of the first element of the row of `worker`."""
        return self.rows_offset + worker * len(ROW_FIELDS)

    def column(self, name: str) -> np.ndarray:
        """A column of the rows: one number per worker, float64[M]."""
        return self.rows[:, _ROW[name]]

    def assignment(self, name: str) -> np.ndarray:
        """A column of the assignments: rank 0's number for each worker, float64[M]."""
        return self.assigned[:, _ASSIGNED[name]]

    @property
    def version(self) -> int:
        """The number of changes of the targets so far."""
        return int(self.header.item(0))

    @property
    def stage(self) -> Stage:
        return Stage(int(self.header[1]))

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self.header[1] = stage

    @property
    def restores(self) -> int:
        """How often the workers were told to return to a snapshot."""
        return int(self.header[2])

    @restores.setter
    def restores(self, restores: int) -> None:
        self.header[2] = restores

    @property
    def snapshots(self) -> int:
        """The number of snapshots taken."""
        return int(self.header[8])

    @snapshots.setter
    def snapshots(self, snapshots: int) -> None:
        self.header[8] = snapshots

    @property
    def exit_code(self) -> int:
        """The exit code of every rank, set before the run is closed."""
        return int(self.header[3])

    @exit_code.setter
    def exit_code(self, exit_code: int) -> None:
        self.header[3] = exit_code

    @property
    def checkpoint(self) -> int:
        """The number of the last checkpoint begun; paused workers write their parts of it."""
        return int(self.header[4])

    @checkpoint.setter
    def checkpoint(self, number: int) -> None:
        self.header[4] = number

    @property
    def server_s(self) -> float:
        """The time of rank 0's last heartbeat, seconds since the run's start."""
        return float(self.header[5])

    @server_s.setter
    def server_s(self, now: float) -> None:
        self.header[5] = now

    def pause(self, reason: PauseReason) -> None:
        """Let all workers stand still for this `reason`."""
        self.header[6] = reason
        self.stage = Stage.PAUSE

    @property
    def pause_reason(self) -> PauseReason:
        """Why the workers stand still, or last did."""
        return PauseReason(int(self.header[6]))

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1, by its limits of time and steps."""
        return float(self.header[7])

    @progress.setter
    def progress(self, share: float) -> None:
        self.header[7] = share

    @property
    def targets(self) -> Targets:
        return Targets(*map(float, self.header[len(OWN_FIELDS) :]))

    @targets.setter
    def targets(self, targets: Targets) -> None:
        """Set the targets; the version, written last, tells readers to read them again."""
        self.header[len(OWN_FIELDS) :] = [getattr(targets, name) for name in TARGET_FIELDS]
        self.header[0] += 1

    @property
    def landed(self) -> int:
        """The number of commits of all workers applied to the global model so far."""
        return int(self.counters.item(0))

    @property
    def failures(self) -> int:
        """The number of ranks that have failed."""
        return int(self.counters[1])

    @property
    def interrupts(self) -> int:
        """The number of workers that received a signal to end the run."""
        return int(self.counters[2])

    @property
    def dealt(self) -> int:
        """The number of positions in the common order of the samples that workers have taken."""
        return int(self.counters[3])

    @dealt.setter
    def dealt(self, positions: int) -> None:
        self.counters[3] = positions

    @property
    def evaluator_life(self) -> float:
        """The number of heartbeats of the rank that evaluates."""
        return self.counters.item(4)

    @property
    def lost(self) -> np.ndarray:
        """Which workers rank 0 has given up, bool[M]."""
        lost: np.ndarray = self.assigned[:, 0] != 0
        return lost

    @property
    def batch_sizes(self) -> np.ndarray:
        """The batch sizes assigned by the scheduler, float64[M]; 0: as configured."""
        sizes: np.ndarray = self.assigned[:, 1]
        return sizes

    @property
    def present(self) -> np.ndarray:
        """Which workers take part, being neither lost nor gone, bool[M]."""
        present: np.ndarray = (self.column("presence") <= Presence.PAUSED) & ~self.lost
        return present

    @property
    def mean_steps(self) -> float:
        """The steps taken so far, the mean over the present workers; 0 if there is none."""
        steps = self.column("steps")[self.present]
        return float(steps.mean()) if steps.size else 0.0

    def mean_loss(self) -> dict[str, float]:
        """The mean `loss` of the last steps of all workers but the lost; {} if none is known."""
        losses = self.column("loss")[~self.lost & (self.column("steps") > 0)]
        known = losses[~np.isnan(losses)]
        return {"loss": float(known.mean())} if known.size else {}

    def is_lost(self, worker: int) -> bool:
        """Whether rank 0 does not count on `worker`."""
        return bool(self.assigned.item(worker, 0))

    def set_lost(self, workers: int | np.ndarray, lost: bool) -> None:
        """Count on these workers no more, or again; numbers or bool[M]."""
        self.assignment("lost")[workers] = lost

    def trains(self, worker: int) -> bool:
        """Whether `worker` is to train now."""
        return self.header.item(1) == _TRAIN and not self.is_lost(worker)

    def forget_seen(self) -> None:
        """A decision begins: it has not looked at any count yet."""
        self.seen = math.nan

    def minimum(self, name: str) -> float:
        """The smallest value of a column over the present workers; infinity if none is present."""
        values = self.column(name)[self.present]
        self.seen = float(values.min()) if values.size else math.inf
        return self.seen

    def validate(self) -> None:
        """Raise ValueError if the board contradicts itself."""
        begun, commits = self.column("begun"), self.column("commits")
        if (commits > begun).any() or (begun > commits + 1).any():
            raise ValueError(f"more than one commit in flight: begun {begun}, done {commits}")
        if (made := (commits - self.column("excused_commits")).sum()) > self.landed:
            raise ValueError(f"{made:.0f} commits done but {self.landed} landed")
