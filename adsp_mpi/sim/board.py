"""The simulator's board in memory: it caches the smallest counts and collects their changes."""

import math
from functools import partial

import numpy as np

from adsp_mpi.core.actions import Targets
from adsp_mpi.core.board import Board, Presence, Stage
from adsp_mpi.core.row import Row

STAGE, PRESENCE, ANY_COUNT = "stage", "presence", "any count"
COUNTS = ("steps", "commits", "rounds", "pulls")
"""The counts that workers change only through `write`."""


class LiveBoard(Board):
    """A board on which one process writes all rows through `write`.

    A decision that returned Wait must be taken again when the basis of it has changed. `asked` is
    that basis: the name of the count whose minimum was read, or `ANY_COUNT`. `changed` collects
    what has changed: columns whose minimum has, `STAGE` (with the targets) and `PRESENCE`, which
    concern all workers, and `ANY_COUNT` while some worker waits for it.
    """

    version: int = 0
    landed: int = 0

    def __init__(self, num_workers: int) -> None:
        super().__init__(num_workers)
        self.asked = ANY_COUNT
        self.any_count_awaited = False
        self.changed: set[str] = set()
        self._stage = Stage.TRAIN
        self._lost: set[int] = set()
        self._absent: set[int] = set()
        self._columns: dict[str, np.ndarray] = {}
        self._lowest: dict[str, tuple[float, int]] = {}  # value, number of present workers with it

    @property
    def stage(self) -> Stage:
        return self._stage

    @stage.setter
    def stage(self, stage: Stage) -> None:
        self._stage = stage
        self.header[1] = stage
        self.changed.add(STAGE)

    @property
    def restores(self) -> int:
        return super().restores

    @restores.setter
    def restores(self, restores: int) -> None:
        self.header[2] = restores
        self.changed.add(STAGE)

    @property
    def snapshots(self) -> int:
        return super().snapshots

    @snapshots.setter
    def snapshots(self, snapshots: int) -> None:
        self.header[8] = snapshots
        self.changed.add(STAGE)

    @property
    def targets(self) -> Targets:
        return super().targets

    @targets.setter
    def targets(self, targets: Targets) -> None:
        Board.targets.fset(self, targets)  # type: ignore[attr-defined]
        self.version += 1
        self.changed.add(STAGE)

    def count_landed(self) -> None:
        """Count a landed commit."""
        self.landed += 1
        self.counters[0] = self.landed

    def is_lost(self, worker: int) -> bool:
        return worker in self._lost

    def trains(self, worker: int) -> bool:
        return self._stage is Stage.TRAIN and worker not in self._lost

    def forget_seen(self) -> None:
        self.seen = math.nan
        self.asked = ANY_COUNT

    def minimum(self, name: str) -> float:
        """The smallest value over the present workers, as on every board, but cached for counts."""
        lowest = self._lowest.get(name)
        if lowest is None:
            if name not in COUNTS:
                self.asked = ANY_COUNT
                return super().minimum(name)
            lowest = self._find_lowest(name)
        self.asked = name if math.isnan(self.seen) or self.asked == name else ANY_COUNT
        self.seen = lowest[0]
        return self.seen

    def _find_lowest(self, name: str) -> tuple[float, int]:
        self._columns[name] = self.column(name)
        values = self._columns[name][self.present]
        value = float(values.min()) if values.size else float("inf")
        self._lowest[name] = value, int((values == value).sum())
        return self._lowest[name]

    def write(self, worker: int, name: str, value: float) -> None:
        """Set the count `name` of `worker` to `value`."""
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self.column(name)
        before = column[worker]
        column[worker] = value
        if self.any_count_awaited:
            self.changed.add(ANY_COUNT)
        lowest = self._lowest.get(name)
        if lowest is None:
            return
        low, holders = lowest
        if worker in self._absent:
            return
        if value < low:
            self._lowest[name] = value, 1
            self.changed.add(name)
        elif before == low and value > low:
            if holders > 1:
                self._lowest[name] = low, holders - 1
            else:
                self._find_lowest(name)
                self.changed.add(name)

    @property
    def looked_at(self) -> list[str]:
        """The counts whose minimum is cached; its changes are collected."""
        return list(self._lowest)

    def resume(self, data: np.ndarray, looked_at: list[str]) -> None:
        """Continue from `data`, with cached minima of the counts `looked_at`."""
        self.data[:] = data
        self._stage = Stage(int(self.header[1]))
        self.version = int(self.header[0])
        self.landed = int(self.counters[0])
        self._lost = set(np.flatnonzero(self.lost).tolist())
        self._absent = set(np.flatnonzero(~self.present).tolist())
        self._lowest.clear()
        for name in looked_at:
            self._find_lowest(name)

    def set_lost(self, workers: int | np.ndarray, lost: bool) -> None:
        super().set_lost(workers, lost)
        self._lost = set(np.flatnonzero(self.lost).tolist())
        self._absent = set(np.flatnonzero(~self.present).tolist())
        self._lowest.clear()
        self.changed.add(PRESENCE)

    def set_presence(self, worker: int, presence: int) -> None:
        """Set a worker's presence, which changes every minimum."""
        self.column("presence")[worker] = presence
        absent = presence > Presence.PAUSED or worker in self._lost
        (self._absent.add if absent else self._absent.discard)(worker)
        self._lowest.clear()
        self.changed.add(PRESENCE)


class LiveRow(Row):
    """A worker's row that reports every change which may concern others to its LiveBoard."""

    __slots__ = ("_board", "_worker", "count")
    _board: LiveBoard
    _worker: int

    def __init__(self, board: LiveBoard, worker: int) -> None:
        super().__init__(board.rows[worker])
        object.__setattr__(self, "_board", board)
        object.__setattr__(self, "_worker", worker)
        object.__setattr__(self, "count", partial(board.write, worker))

    def show(self, presence: int) -> None:
        self._board.set_presence(self._worker, presence)
