"""The commit path: how a worker's update reaches the model on rank 0 exactly once."""

from typing import Callable, Iterator

import numpy as np
from mpi4py import MPI

from adsp_mpi.learn.replica import Replica
from adsp_mpi.mpi.board_client import WorkerBoard
from adsp_mpi.mpi.pause import wait_until
from adsp_mpi.mpi.window import RemoteArray

LOOK_S = 2e-4
"""How often a rank that waits for its commit lets MPI move data."""


class CommitPath:
    """At most one commit at a time; the worker may train on while it is in flight.

    `begin`, then `poll` after each step until it says True. In between, in this order and each
    only when the one before is complete at rank 0: the row says begun + 1; the injected delay
    passes; the update is added to the model chunk by chunk; the counter of landed commits rises
    and the row says commits + 1. A worker that dies in between leaves begun = commits + 1.
    """

    def __init__(
        self,
        model: RemoteArray,
        board: WorkerBoard,
        replica: Replica,
        now: Callable[[], float],
        buffer_share: float,
    ) -> None:
        self._model = model
        self._board = board
        self._replica = replica
        self._now = now
        self._buffer_share = buffer_share
        self._protocol: Iterator[None] | None = None
        self.landed_at_base = 0
        """Commits of all workers in the model that the local one started from."""

        self.staleness = 0
        """Commits of others that landed between the last commit's base and itself."""

    @property
    def in_flight(self) -> bool:
        return self._protocol is not None

    def begin(self, factor: float, delay_s: float) -> None:
        """Take the update, times `factor`, and set out; it lands no sooner than in `delay_s`."""
        if self.in_flight:
            raise RuntimeError("a commit is in flight already")
        update = self._replica.take_update(factor)
        self._protocol = self._send(update, delay_s)

    def poll(self) -> bool:
        """Go on as far as can be done without waiting; True when no commit is in flight."""
        if self._protocol is not None and next(self._protocol, self) is self:
            self._protocol = None
        return self._protocol is None

    def finish(self) -> None:
        """Wait until no commit is in flight; data moves only when this rank looks too."""
        wait_until(self.poll, longest_s=LOOK_S)

    def pull(self, keep_local: bool = False) -> None:
        """Take the global model and wait for it; `keep_local` keeps what was learnt on top."""
        if self.in_flight:
            raise RuntimeError("a pull while a commit is in flight")
        self._board.refresh_now()
        self.landed_at_base = self._board.board.landed
        self._model.read_now(self._replica.answer)
        self._replica.replace(keep_local)

    def _send(self, update: np.ndarray, delay_s: float) -> Iterator[None]:
        lands_from = self._now() + delay_s
        row = self._board.row
        row.begun += 1
        yield from _until_done(self._board.publish(self._now()))
        while self._now() < lands_from:
            yield
        if self._replica.averages_buffers:
            buffers = self._replica.buffers_answer
            yield from _until_done(self._model.read(buffers, self._replica.first_buffer))
            self._replica.average_buffers(self._buffer_share)
        yield from _until_done(self._model.add(update, self._replica.answer))
        self._model.flush()
        counted, landed_before = self._board.count("landed")
        yield from _until_done(counted)
        row.commits += 1
        row.rounds += 1
        row.sent_mb += update.nbytes / 1e6
        yield from _until_done(self._board.publish(self._now()))
        self._replica.rebase()
        self.staleness = int(landed_before[0]) - self.landed_at_base
        self.landed_at_base = int(landed_before[0]) + 1
        row.staleness += self.staleness


def _until_done(requests: list[MPI.Request]) -> Iterator[None]:
    while not MPI.Request.Testall(requests):
        yield
