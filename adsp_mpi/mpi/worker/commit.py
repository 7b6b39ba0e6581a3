"""The commit path: how a worker's update reaches the model on rank 0 exactly once."""

from typing import Any, Callable, Iterator

from mpi4py import MPI

from adsp_mpi.core.worker import Worker
from adsp_mpi.learn.replica import Replica
from adsp_mpi.mpi.ranks.backoff import wait_until
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.transport.remote_array import RemoteArray

LOOK_S = 2e-4
"""How often a rank that waits for its commit lets MPI move data."""


class CommitPath:
    """At most one commit at a time; the worker may train on while it is in flight.

    `begin`, then `poll` after each step until it says True. In between, in this order and each
    only when the one before is complete at rank 0: the row says begun + 1; the injected delay
    passes; the update is added to the model chunk by chunk; the counter of landed commits rises
    and the row says commits + 1. A worker that dies in between leaves begun = commits + 1. On one
    node all of it is done within `begin`.
    """

    def __init__(
        self,
        model: RemoteArray,
        board: WorkerBoard,
        worker: Worker,
        replica: Replica,
        now: Callable[[], float],
        buffer_share: float,
    ) -> None:
        self._model = model
        self._board = board
        self._worker = worker
        self._replica = replica
        self._now = now
        self._buffer_share = buffer_share
        self._protocol: Iterator[None] | None = None
        self.num_bytes = replica.update.nbytes
        """What a commit sends."""

    @property
    def in_flight(self) -> bool:
        return self._protocol is not None

    def begin(self, factor: float, delay_s: float) -> None:
        """Take the update, times `factor`, and set out; it lands no sooner than in `delay_s`.

        The worker has begun the commit: its row says so, and is shown first.
        """
        if self.in_flight:
            raise RuntimeError("a commit is in flight already")
        lands_from = self._now() + delay_s
        shown = self._board.publish(self._now())
        by_parts = self._model.at_once and self._replica.has_parts
        at_once = not delay_s and by_parts and MPI.Request.Testall(shown)
        if not at_once:
            self._replica.take_update(factor)
        self._protocol = self._send(factor, at_once, shown, lands_from)
        self.poll()

    def poll(self) -> bool:
        """Go on as far as can be done without waiting; True when no commit is in flight."""
        if self._protocol is not None and next(self._protocol, self) is self:
            self._protocol = None
        return self._protocol is None

    def finish(self) -> None:
        """Wait until no commit is in flight; data moves only when this rank looks too."""
        wait_until(self.poll, longest_s=LOOK_S)

    def fetch(self) -> int:
        """Begin anew from the global model; wait for it. How many commits it holds at least."""
        return self.pull(keep_local=False)

    def pull(self, keep_local: bool) -> int:
        """Take up the global model and wait for it; `keep_local` keeps what was learnt on top.

        How many commits of all workers it holds at least.
        """
        landed = self._refresh()
        self._model.read_now(self._replica.answer)
        self._replica.replace(keep_local)
        return landed

    def state_dict(self) -> dict[str, Any]:
        """What it holds back, for `load_state_dict`; while no commit is in flight."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the path that gave `state` stood."""

    def _refresh(self) -> int:
        """The model is about to be read: which commits it holds at least."""
        if self.in_flight:
            raise RuntimeError("a pull while a commit is in flight")
        self._replica.settle()
        self._board.refresh_now()
        return self._board.board.landed

    def _send(
        self, factor: float, at_once: bool, shown: list[MPI.Request], lands_from: float
    ) -> Iterator[None]:
        replica = self._replica
        if at_once:
            self._commit_by_parts(factor)
        else:
            yield from self._commit_whole(shown, lands_from)
        if replica.averages_buffers:
            yield from self._add_buffers()
        self._model.flush()
        counted, landed_before = self._board.count("landed")
        yield from _until_done(counted)
        self._worker.commit_landed(int(landed_before[0]), self.num_bytes)
        yield from _until_done(self._board.publish(self._now()))

    def _commit_by_parts(self, factor: float) -> None:
        """Take, add and land each part of the model while it is in the processor's cache."""
        for part in self._model.parts(self._replica.num_rebased):
            update, after = self._replica.take_part(part, factor)
            self._model.add_now(update, after, part.start)
            self._replica.land_part(part)

    def _commit_whole(self, shown: list[MPI.Request], lands_from: float) -> Iterator[None]:
        """Add what was taken when the commit set out, and land it when all of it is there."""
        yield from _until_done(shown)
        while self._now() < lands_from or not self._replica.taken:
            yield
        self._replica.settle()
        yield from _until_done(self._add_taken())
        self._land()

    def _add_taken(self) -> list[MPI.Request]:
        """Send off what was taken."""
        whole = slice(0, self._replica.num_rebased)
        return self._model.add(self._replica.update[whole], self._replica.answer[whole])

    def _land(self) -> None:
        """What was sent off has landed: go on from there."""
        self._replica.rebase()

    def _add_buffers(self) -> Iterator[None]:
        """Move the server's buffers towards this worker's."""
        replica, first = self._replica, self._replica.first_buffer
        yield from _until_done(self._model.read(replica.buffers_answer, first))
        replica.average_buffers(self._buffer_share)
        update, answer = replica.update[first:], replica.buffers_answer
        yield from _until_done(self._model.add(update, answer, first))


def _until_done(requests: list[MPI.Request]) -> Iterator[None]:
    while not MPI.Request.Testall(requests):
        yield
