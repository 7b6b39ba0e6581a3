"""The board in memory: it keeps the smallest counts at hand and knows who waits for which."""

import math
from functools import partial

import numpy as np

from adsp_mpi.core.actions import Targets
from adsp_mpi.core.board import Board, Presence, Stage
from adsp_mpi.core.row import Row

STAGE, PRESENCE, ANY_COUNT = "stage", "presence", "any count"
COUNTS = ("steps", "commits", "rounds", "pulls")
"""What workers change through `write` alone."""


class LiveBoard(Board):
    """A board on which one process writes all rows through `write`.

    A decision that returned Wait is to be taken again when what it looked at has changed:
    `asked` names the count whose minimum it took, or says `ANY_COUNT`. `changed` collects what
    changed: columns whose minimum did, `STAGE` (and targets) and `PRESENCE`, which concern
    everybody, and `ANY_COUNT` while somebody waits for that.
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
        self._lowest: dict[str, tuple[float, int]] = {}  # of the present: value, how many hold it

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
    def targets(self) -> Targets:
        return super().targets

    @targets.setter
    def targets(self, targets: Targets) -> None:
        Board.targets.fset(self, targets)  # type: ignore[attr-defined]
        self.version += 1
        self.changed.add(STAGE)

    def count_landed(self) -> None:
        """One more commit has landed."""
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
        """As on every board, for counts without looking at all rows again."""
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
        """Worker `worker` says that its count `name` is `value`."""
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
        """Counts whose minimum is kept at hand: changes of theirs are told."""
        return list(self._lowest)

    def resume(self, data: np.ndarray, looked_at: list[str]) -> None:
        """Hold `data`, with the minimum of the counts `looked_at` at hand."""
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
        """Who takes part has changed, and with it every minimum."""
        self.column("presence")[worker] = presence
        absent = presence > Presence.PAUSED or worker in self._lost
        (self._absent.add if absent else self._absent.discard)(worker)
        self._lowest.clear()
        self.changed.add(PRESENCE)


class LiveRow(Row):
    """A worker's row of a LiveBoard, which hears of every change that may concern others."""

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
