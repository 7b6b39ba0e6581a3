"""A worker again: every decision it recorded, taken once more from what it was based on."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from adsp_mpi.core.actions import Commit, Pull, Step, Wait, WorkerAction
from adsp_mpi.core.worker import WorkerState
from tests.contract.recording import Different, Recording
from tests.contract.replay_scheduler import Schedule

STARTS = {"waits": "start_s", "commits": "begun_s", "pulls": "start_s", "steps": "start_s"}
"""The column of each table that says when the decision was taken."""


class SeenBoard:
    """A board of which one number is known: what the recorded decision saw of it."""

    def __init__(self, seen: float) -> None:
        self._seen = seen
        self.looked = False

    def minimum(self, name: str) -> float:
        self.looked = True
        return self._seen


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
        """The worker stood still until the server had taken or put back a snapshot."""
        return self.table == "waits" and bool(self.values["reason"] == b"a snapshot")

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def __str__(self) -> str:
        words = ", ".join(f"{n} {self.values[n]}" for n in self.values.dtype.names)
        return f"{self.table}[{self.number}] ({words})"


@dataclass(frozen=True)
class State:
    """How far a replay has come."""

    me: WorkerState
    taken: dict[str, int]
    """Rows of each table."""
    in_flight: Row | None = None
    pauses: int = 0

    def after(self, row: Row, me: WorkerState) -> "State":
        """`row` is what was decided, `me` how that leaves the worker."""
        in_flight = row if row.table == "commits" else self.in_flight
        taken = {**self.taken, row.table: row.number + 1}
        return State(me, taken, in_flight, self.pauses + row.is_pause)


class WorkerReplay:
    """Takes the rows of one worker in the order of time and decides along.

    In virtual time things can happen at the same moment. Then there must be an order of them in
    which each is what is decided, with a commit that lands then seen to be done or not.
    """

    def __init__(self, recording: Recording, schedule: Schedule, worker: int) -> None:
        config = recording.config
        self._model = config.sync_model
        self._max_steps = config.stop.max_steps or math.inf
        self._schedule = schedule
        self._worker = worker
        self._first = WorkerState(worker, config.train.batch_size)
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
        for done_s in self._landed_by(now, state):
            for row in rows:
                me = copy.copy(state.me)
                if done_s is not None:
                    me.commit_done(done_s)
                answer = self._carry_out(row, me, state.pauses)
                if answer is not None:
                    self._answers.append(f"recorded {row}, replayed {answer}")
                elif after := self._at(now, state.after(row, me)):
                    return after
        return None

    def _landed_by(self, now: float, state: State) -> list[float | None]:
        """When the commit in flight was done, as far as a decision at `now` may know; the likelier
        first. None: it is in flight still, or there is none."""
        commit = state.in_flight
        if not state.me.in_flight or commit is None or commit["done_s"] > now:
            return [None]
        done_s = float(commit["done_s"])
        return [done_s] if done_s < now or self._model.blocking_commits else [done_s, None]

    def _carry_out(self, row: Row, me: WorkerState, pauses: int) -> str | None:
        """Decide as `me`, who then does it; None where that is `row`, else what was decided."""
        if row.is_pause:
            for moment in self._schedule.pauses[pauses]:
                me.restored(moment)
            return None
        if row["version"] != me.version:
            self._follow(me, int(row["version"]))
        board = SeenBoard(float(row["seen"]))
        action = self._model.next_action(row.time_s, me, board)  # type: ignore[arg-type]
        if not self._is_last_commit(row, me, action):
            if not self._agrees(action, row, me):
                return f"{action} of {me}"
            if board.looked == math.isnan(row["seen"]):
                return f"{action}, which {'looked' if board.looked else 'did not look'}"
        self._do(row, me)
        return None

    def _follow(self, me: WorkerState, version: int) -> None:
        sizes = self._schedule.sizes[version]
        me.follow(version, self._schedule.targets[version], sizes[self._worker] if sizes else 0)

    def _is_last_commit(self, row: Row, me: WorkerState, action: WorkerAction) -> bool:
        """All steps are taken and the model wants another: what is left is committed unasked."""
        return (
            row.table == "commits"
            and isinstance(action, Step | Commit)
            and self._model.commits_leftovers
            and me.steps == self._max_steps
            and not me.in_flight
            and row["steps"] == me.steps_since_commit > 0
        )

    def _agrees(self, action: WorkerAction, row: Row, me: WorkerState) -> bool:
        if isinstance(action, Step):
            plan = copy.copy(me)
            plan.begin_step()
            return (
                row.table == "steps"
                and me.steps == row.number < self._max_steps
                and plan.batch_size == row["batch_size"]
            )
        if isinstance(action, Commit):
            counts = (me.begun + 1, me.steps_since_commit)
            return row.table == "commits" and (row["number"], row["steps"]) == counts
        if isinstance(action, Pull):
            return row.table == "pulls" and row["keep_local"] == action.keep_local
        reason = action.reason.encode()[:24] if isinstance(action, Wait) else None
        return row.table == "waits" and row["reason"] == reason

    def _do(self, row: Row, me: WorkerState) -> None:
        if row.table == "steps":
            me.begin_step()
            me.stepped(float(row["compute_s"] + row["sleep_s"]))
        elif row.table == "commits":
            me.commit_begun(row.time_s)
        elif row.table == "pulls":
            me.pulled()
