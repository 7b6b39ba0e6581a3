"""Workers that die, stall, come back and are replaced, in virtual time.

The same `Membership` as under MPI decides who is lost and who is admitted. It looks every `LOOK_S`
while a worker is stalled, dead or to be admitted, and otherwise not at all.
"""

from functools import partial
from typing import Any, Callable, Generator, Sequence

import numpy as np

from adsp_mpi.core.board import Presence
from adsp_mpi.core.hetero.changes import Death, Stall
from adsp_mpi.core.membership import Membership
from adsp_mpi.core.patience import Process
from adsp_mpi.core.server_engine import Until
from adsp_mpi.errors import AdspError
from adsp_mpi.sim.board import STAGE, LiveBoard
from adsp_mpi.sim.clock import VirtualClock
from adsp_mpi.sim.worker import SimWorker

LOOK_S = 0.25
"""Virtual seconds between two looks."""


class Roster:
    """The processes of all workers; the last `spares` workers begin outside.

    `tell(kind, text)` records an event of a worker; none is admitted while `settled()` is false.
    """

    def __init__(
        self,
        clock: VirtualClock,
        board: LiveBoard,
        workers: Sequence[SimWorker],
        spares: int,
        settled: Callable[[], bool],
        tell: Callable[[str, str], None],
    ) -> None:
        self._clock = clock
        self._board = board
        self._workers = workers
        self._num_shares = num_shares = len(workers) - spares
        self._members = Membership(board, num_shares)
        self._settled = settled
        self._tell = tell
        self._processes = np.full(len(workers), Process.RUNNING)
        self._looks = False  # a look is booked
        self._ending = False
        self._admitted = -1
        self._admission: Generator[Until, None, bool] | None = None
        self._until = Until(0.0, lambda: True)
        numbers = np.arange(len(workers))
        board.assignment("share")[:] = np.where(numbers < num_shares, numbers, -1)
        board.set_lost(numbers >= num_shares, True)

    def begin(self, faults: Sequence[Death | Stall]) -> None:
        """Book the deaths and stalls of the profile."""
        clock = self._clock
        for fault in faults:
            for worker in fault.workers:
                if isinstance(fault, Death):
                    action = partial(self.dies, worker)
                else:
                    action = partial(self.stalls, worker, fault.to_s)
                clock.at(fault.from_s, clock.LANDING, action)

    @property
    def admits(self) -> bool:
        """Whether a worker is being admitted; steering waits meanwhile."""
        return self._admission is not None

    def dies(self, worker: int) -> None:
        self._workers[worker].die()
        self._processes[worker] = Process.DEAD
        self.look()

    def stalls(self, worker: int, until_s: float) -> None:
        if self._processes[worker] == Process.DEAD:
            return
        self._workers[worker].stall(until_s)
        self._processes[worker] = Process.STOPPED
        self._clock.at(until_s, self._clock.LANDING, partial(self.continues, worker))
        self.look()

    def continues(self, worker: int) -> None:
        stalled = self._workers[worker].stalled_until_s > self._clock.now
        if self._processes[worker] == Process.STOPPED and not stalled:
            self._processes[worker] = Process.RUNNING
            self.look()

    def regular_look(self) -> None:
        """Look, and again every `LOOK_S` while that is needed."""
        self._looks = False
        self.look()

    def look(self) -> None:
        """Find lost workers, and admit one in the place of each; AdspError if all are lost."""
        now, board, members = self._clock.now, self._board, self._members
        running = self._processes == Process.RUNNING
        for sign in ("heartbeat_s", "acted_s"):
            board.column(sign)[running] = now
        for worker in members.look(now, self._processes).lost:
            text = members.text_of_lost(worker, "does not land")
            self._tell("lost", f"worker {worker} {text}")
        if not board.present.any() and board.lost[: self._num_shares].all():
            raise AdspError("every worker is lost")
        candidate = None if self._ending or self.admits else members.candidate()
        if candidate is not None and self._settled():
            self._admitted = candidate
            self._admission = members.admission(candidate, lambda: self._clock.now)
            self._go_on(self._admission)
        if not self._looks and (candidate is not None or self.admits or self._unsettled()):
            self._looks = True
            self._clock.at(now + LOOK_S, self._clock.SERVER, self.regular_look)

    def _unsettled(self) -> bool:
        """Whether a worker is stalled, dead and not known to be lost, or leaves samples to deal."""
        dead, stopped = (self._processes == p for p in (Process.DEAD, Process.STOPPED))
        unknown = bool((stopped | (dead & ~self._board.lost)).any())
        return unknown or self._members.redealer.has_ranges

    def advance(self) -> None:
        """Take the admission under way as far as it can go now."""
        while self._admission and (self._until.ready() or self._clock.now >= self._until.moment):
            self._go_on(self._admission)

    def _go_on(self, admission: Generator[Until, None, bool]) -> None:
        try:
            self._until = next(admission)
            if self._until.moment < np.inf:
                self._clock.at(self._until.moment, self._clock.SERVER, self.advance)
        except StopIteration as end:
            self._admission = None
            if end.value:
                self._tell(
                    "back", f"worker {self._admitted} {self._members.text_of_back(self._admitted)}"
                )
        self._board.changed.add(STAGE)

    def release(self) -> None:
        """At the end of the run: let lost workers and spares that live leave like all others."""
        self._ending = True
        self.look()
        self._members.release()

    def all_left(self) -> bool:
        """Whether every worker that is not lost has left the training."""
        left = self._board.column("presence") == Presence.LEFT
        return bool((left | self._board.lost).all())

    def state_dict(self) -> dict[str, Any]:
        """For `load_state_dict`; not while a worker is being admitted."""
        return {
            "processes": self._processes,
            "looks": self._looks,
            "members": self._members.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`, on the board as it was then."""
        self._processes = state["processes"]
        self._looks = state["looks"]
        self._members.load_state_dict(state["members"])
