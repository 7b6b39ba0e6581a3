"""The waiting workers of a simulation, and when each of them decides again."""

import math
from functools import partial
from typing import Any, Sequence

import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.sim.board import ANY_COUNT, PRESENCE, STAGE, LiveBoard
from adsp_mpi.sim.clock import VirtualClock
from adsp_mpi.sim.worker import MOST_AT_ONCE, SimWorker

MOST_OVERDUE = 10
"""How often in a row a worker may ask to be woken at a second that is past."""


class Waits:
    """Wakes each waiting worker when the basis of its wait has changed, or at a given second."""

    def __init__(self, clock: VirtualClock, board: LiveBoard) -> None:
        self.waiting: dict[int, SimWorker] = {}
        self.workers: Sequence[SimWorker] = ()
        self._clock = clock
        self._board = board
        self._until_s: dict[int, float] = {}  # when each one that waits is to be woken
        self._overdue: dict[int, tuple[int, int]] = {}  # of each worker: which wait, how often
        self._most_at_once = MOST_AT_ONCE * board.num_workers

    def wait(self, worker: SimWorker, until_s: float) -> None:
        """Wake `worker` when the basis of its wait has changed, at `until_s` at the latest."""
        self.waiting[worker.index] = worker
        if worker.asked == ANY_COUNT:
            self._board.any_count_awaited = True
        self._until_s[worker.index] = until_s
        if until_s < math.inf:
            clock = self._clock
            timer = partial(self.time_is_up, worker.index, worker.me.waits)
            wake_s = until_s if until_s > clock.now else self._at_the_next_moment(worker)
            clock.at(wake_s, clock.WORKER, timer)

    def _at_the_next_moment(self, worker: SimWorker) -> float:
        """When to wake a worker that asked for a second that is past, perhaps by rounding."""
        me = worker.me
        number, times = self._overdue.get(worker.index, (0, 0))
        times = times + 1 if number == me.waits else 1
        self._overdue[worker.index] = me.waits, times
        if times > MOST_OVERDUE:
            reason = me.waiting.reason if me.waiting else ""
            raise AdspError(
                f"worker {worker.index} waits again and again until a second that is over: {reason}"
            )
        return math.nextafter(self._clock.now, math.inf)

    def wake(self, worker: SimWorker) -> None:
        """Let a worker that waits decide again, once its process does not stand still."""
        clock = self._clock
        if worker.stalled_until_s > clock.now:
            timer = partial(self.time_is_up, worker.index, worker.me.waits)
            clock.at(worker.stalled_until_s, clock.WORKER, timer)
            return
        del self.waiting[worker.index]
        worker.go_on()

    def time_is_up(self, index: int, number: int) -> None:
        """Wake a worker unless its wait of this number is over."""
        worker = self.workers[index]
        if index in self.waiting and worker.me.waits == number:
            self.wake(worker)

    def wake_concerned(self) -> None:
        """Wake the workers that changes concern, then those that these workers' actions concern."""
        board = self._board
        while board.changed:
            changed, board.changed = board.changed, set()
            for worker in [w for w in self.waiting.values() if _concerns(w, changed)]:
                self.wake(worker)
                self._clock.at_once += 1
            self.require_time_to_pass()
        board.any_count_awaited = any(w.asked == ANY_COUNT for w in self.waiting.values())

    def require_time_to_pass(self) -> None:
        """Raise AdspError if too much has happened at one moment."""
        clock = self._clock
        if clock.at_once > self._most_at_once:
            raise AdspError(
                f"time stands still at {clock.now:g} s: workers go on and on with what takes "
                f"no time; who waits, waits for: {self.reasons() or 'nothing'}"
            )

    def all_for_ever(self) -> bool:
        """Whether no present worker has a step or commit under way, or a second to be woken at."""
        present = np.flatnonzero(self._board.present).tolist()
        return all(
            index in self.waiting
            and not self.waiting[index].me.in_flight
            and self._until_s[index] == math.inf
            for index in present
        )

    def reasons(self) -> str:
        """The reasons of the waiting workers, as text."""
        waits = {w.me.waiting.reason for w in self.waiting.values() if w.me.waiting}
        return ", ".join(sorted(waits))

    def state_dict(self) -> dict[str, Any]:
        """The state for `load_state_dict`."""
        return {
            "waiting": list(self.waiting),
            "until_s": [list(pair) for pair in self._until_s.items()],
            "overdue": [[index, *known] for index, known in self._overdue.items()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.waiting = {index: self.workers[index] for index in state["waiting"]}
        self._until_s = dict(state["until_s"])
        self._overdue = {index: (number, times) for index, number, times in state["overdue"]}


def _concerns(worker: SimWorker, changed: set[str]) -> bool:
    """Whether a change concerns the worker: paused ones only the stage, others also presence."""
    asked = worker.asked
    return asked in changed or STAGE in changed or (asked != STAGE and PRESENCE in changed)
