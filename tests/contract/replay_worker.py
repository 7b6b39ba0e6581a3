"""A worker again: every decision it recorded, taken once more from what it was based on."""

import copy
import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from adsp_mpi.core.actions import Commit, Leave, Pause, Pull, Step, WorkerAction
from adsp_mpi.core.board import Board, PauseReason, Stage
from adsp_mpi.core.worker import Worker
from adsp_mpi.core.worker_tables import Tables
from tests.contract.recording import Different, Recording
from tests.contract.replay_scheduler import Schedule

STARTS = {"waits": "start_s", "commits": "begun_s", "pulls": "start_s", "steps": "start_s"}
"""The column of each table that says when the decision was taken."""


PAUSES = tuple(reason.name.lower() for reason in PauseReason)


class SeenBoard(Board):
    """A board as a recorded decision saw it: its targets, and one number of what others did."""

    looked = False

    def forget_seen(self) -> None:
        super().forget_seen()
        self.looked = False

    def minimum(self, name: str) -> float:
        self.looked = True
        self.seen = self.recorded
        return self.seen

    recorded = math.nan


@dataclass(frozen=True)
class Row:
    """One row of one of a worker's tables."""

    table: str
    number: int
    values: np.void

    @property
    def time_s(self) -> float:
        return float(self.values[STARTS[self.table]])

    @property
    def is_pause(self) -> bool:
        """The worker stood still because rank 0 asked for it."""
        return self.table == "waits" and self.values["reason"].decode() in PAUSES

    @property
    def is_snapshot(self) -> bool:
        """It stood still until the server had taken or put back a snapshot."""
        return self.table == "waits" and bool(self.values["reason"] == b"snapshot")

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def __str__(self) -> str:
        words = ", ".join(f"{n} {self.values[n]}" for n in self.values.dtype.names)
        return f"{self.table}[{self.number}] ({words})"


@dataclass(frozen=True)
class State:
    """How far a replay has come."""

    me: Worker
    taken: dict[str, int]
    """Rows of each table."""
    in_flight: Row | None = None
    snapshots: int = 0

    def after(self, row: Row, me: Worker) -> "State":
        """`row` is what was decided, `me` how that leaves the worker."""
        in_flight = row if row.table == "commits" else self.in_flight
        taken = {**self.taken, row.table: row.number + 1}
        return State(me, taken, in_flight, self.snapshots + row.is_snapshot)


class WorkerReplay:
    """Takes the rows of one worker in the order of time and lets a `Worker` decide and record.

    In virtual time things can happen at the same moment. Then there must be an order of them in
    which each is what is decided, with a commit that lands then seen to be done or not.
    """

    def __init__(self, recording: Recording, schedule: Schedule, worker: int) -> None:
        config = recording.config
        self._blocking = config.sync_model.blocking_commits
        self._schedule = schedule
        self._worker = worker
        self._board = SeenBoard(recording.num_workers)
        self._recorded: dict[str, tuple[Any, ...]] = {}
        """The row that the worker recorded last, by table."""
        self._first = Worker(
            worker,
            config.sync_model,
            config.train.batch_size,
            tables=Tables(*(partial(self._record, name) for name in Tables._fields)),
            max_steps=config.stop.max_steps or math.inf,
        )
        tables = recording.of_worker(worker)
        self._tables = {name: tables[name] for name in STARTS}
        self._answers: list[str] = []

    def run(self) -> int:
        """Replay all rows; returns their number. Different at the first that differs."""
        state = State(self._first, dict.fromkeys(STARTS, 0))
        while rows := self._next_rows(state):
            now = min(row.time_s for row in rows)
            self._answers.clear()
            after = self._at(now, state)
            if after is None:
                raise Different(f"worker {self._worker}: {'; or '.join(self._answers)}")
            state = after
        return sum(state.taken.values())

    def _record(self, table: str, *values: Any) -> None:
        self._recorded[table] = values

    def _next_rows(self, state: State) -> list[Row]:
        """The next row of each table."""
        return [
            Row(name, number, self._tables[name][number])
            for name, number in state.taken.items()
            if number < len(self._tables[name])
        ]

    def _at(self, now: float, state: State) -> State | None:
        """The state after all rows of the moment `now`, if there is an order that leads there."""
        rows = [row for row in self._next_rows(state) if row.time_s == now]
        if not rows:
            return state
        for landed in self._landed_by(now, state):
            for row in rows:
                me = copy.copy(state.me)
                answer = self._land(landed, me) if landed else None
                answer = answer or self._carry_out(row, me, state.snapshots)
                if answer is not None:
                    self._answers.append(f"recorded {row}, replayed {answer}")
                elif after := self._at(now, state.after(row, me)):
                    return after
        return None

    def _landed_by(self, now: float, state: State) -> list[Row | None]:
        """The commit in flight, where a decision at `now` may know that it is done; the likelier
        first. None: it is in flight still, or there is none."""
        commit = state.in_flight
        if not state.me.in_flight or commit is None or commit["done_s"] > now:
            return [None]
        return [commit] if commit["done_s"] < now or self._blocking else [commit, None]

    def _land(self, commit: Row, me: Worker) -> str | None:
        """The commit is done; None where `me` records it as it was recorded."""
        landed_before = me.landed_at_base + int(commit["staleness"])
        me.commit_landed(landed_before, int(commit["sent_bytes"]))
        me.commit_done(float(commit["done_s"]), float(commit["blocked_s"]))
        return self._difference(commit)

    def _carry_out(self, row: Row, me: Worker, snapshots: int) -> str | None:
        """Decide as `me`, who then does it; None where that is `row`, else what was done."""
        board = self._board
        self._show(row)
        action = me.next(row.time_s, board)
        if row.is_pause:
            if not me.paused or not self._agrees(action, row, me):
                return f"{action} of {me}"
            restores = self._schedule.pauses[snapshots] if row.is_snapshot else ()
            for moment in restores:
                board.restores += 1
                assert me.next(moment, board) == Pause(row["reason"].decode(), Pause.RESTORE)
                me.restored(moment, me.landed_at_base, board.restores)
            return None
        if not self._agrees(action, row, me):
            return f"{action} of {me}"
        if board.looked == math.isnan(row["seen"]):
            return f"{action}, which {'looked' if board.looked else 'did not look'}"
        return self._do(row, me)

    def _show(self, row: Row) -> None:
        """The board as the decision for `row` saw it."""
        board, version = self._board, int(row["version"])
        board.stage = Stage.TRAIN
        if row.is_pause:
            board.pause(PauseReason[row["reason"].decode().upper()])
        board.recorded = float(row["seen"])
        if board.version != version:
            sizes = self._schedule.sizes[version]
            board.targets = self._schedule.targets[version]
            board.header[0] = version
            board.batch_sizes[:] = sizes or 0

    def _agrees(self, action: WorkerAction | Pause | Leave, row: Row, me: Worker) -> bool:
        if isinstance(action, Step):
            return (
                row.table == "steps"
                and me.steps == row.number
                and me.batch_size == row["batch_size"]
            )
        if isinstance(action, Commit):
            counts = (me.begun + 1, me.steps_since_commit)
            return row.table == "commits" and (row["number"], row["steps"]) == counts
        if isinstance(action, Pull):
            return row.table == "pulls" and bool(row["keep_local"] == action.keep_local)
        waiting = me.waiting
        return (
            row.table == "waits"
            and waiting is not None
            and (row["reason"], row.time_s) == (waiting.reason.encode()[:24], waiting.since_s)
        )

    def _do(self, row: Row, me: Worker) -> str | None:
        """None where `me` records it as it was recorded."""
        if row.table == "steps":
            compute_s, sleep_s = float(row["compute_s"]), float(row["sleep_s"])
            me.stepped(row.time_s, compute_s, sleep_s, float(row["loss"]))
            return self._difference(row)
        if row.table == "pulls":
            seconds, keep_local = float(row["duration_s"]), bool(row["keep_local"])
            me.pulled(row.time_s, seconds, seconds, keep_local, me.landed_at_base)
            return self._difference(row)
        if row.table == "commits":
            me.commit_begun(row.time_s)
        return None

    def _difference(self, row: Row) -> str | None:
        """The row that the worker has just recorded, unless it is `row` to the bit."""
        values = np.array([self._recorded[row.table]], row.values.dtype)[0]
        if values.tobytes() == row.values.tobytes():
            return None
        return str(Row(row.table, row.number, values))
