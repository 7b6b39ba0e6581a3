"""The commit path: how a worker's update reaches the model on rank 0 exactly once."""

from typing import TYPE_CHECKING, Any, Callable, Iterator

from mpi4py import MPI

from adsp_mpi.core.worker import Worker
from adsp_mpi.mpi.ranks.backoff import wait_until
from adsp_mpi.mpi.transport.board_client import WorkerBoard
from adsp_mpi.mpi.transport.remote_array import RemoteArray

if TYPE_CHECKING:  # commits see arrays only: no torch
    from adsp_mpi.learn.replica import Replica

LOOK_S = 2e-4
"""How often a rank that waits for its commit calls MPI, which moves data only then."""


class CommitPath:
    """Sends one commit at a time, while the worker may train on.

    Call `begin`, then `poll` after each step until it returns True. Meanwhile these happen in
    order, each only when the one before is complete at rank 0: the row shows begun + 1; the
    injected delay passes; the update is added to the model chunk by chunk; the counter of landed
    commits rises; the row shows commits + 1. A worker that dies in between leaves begun =
    commits + 1. On one node, without a delay, all of it is done within `begin`.
    """

    def __init__(
        self,
        model: RemoteArray,
        board: WorkerBoard,
        worker: Worker,
        replica: "Replica",
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
        """The bytes that a commit sends."""

    @property
    def in_flight(self) -> bool:
        return self._protocol is not None

    def is_finite(self) -> bool:
        """Whether all numbers of the local model are finite."""
        return self._replica.is_finite()

    def begin(self, factor: float, delay_s: float) -> None:
        """Take the update, times `factor`, and send it; it lands no sooner than in `delay_s`.

        The worker's row, which counts the commit as begun already, is sent first.
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
        """Move the commit on as far as possible without waiting; True if none is in flight."""
        if self._protocol is not None and next(self._protocol, self) is self:
            self._protocol = None
        return self._protocol is None

    def finish(self) -> None:
        """Wait until no commit is in flight."""
        wait_until(self.poll, longest_s=LOOK_S)

    def fetch(self) -> int:
        """Replace the local model by the global one; returns how many commits it holds at least."""
        return self.pull(keep_local=False)

    def pull(self, keep_local: bool) -> int:
        """Replace the local model by the global one, plus local - base if `keep_local`.

        Returns how many commits of all workers the global model holds at least.
        """
        landed = self._refresh()
        self._model.read_now(self._replica.answer)
        self._replica.replace(keep_local)
        return landed

    def state_dict(self) -> dict[str, Any]:
        """What commits have held back so far, for `load_state_dict`, while none is in flight."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""

    def _refresh(self) -> int:
        """Before the model is read: the number of commits that it holds at least."""
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
        self._replica.gather()
        for part in self._model.parts(self._replica.num_rebased):
            update, after = self._replica.take_part(part, factor)
            self._model.add_now(update, after, part.start)
            self._replica.land_part(part)

    def _commit_whole(self, shown: list[MPI.Request], lands_from: float) -> Iterator[None]:
        """Add the update taken at the begin of the commit, and rebase once all of it has landed."""
        yield from _until_done(shown)
        while self._now() < lands_from or not self._replica.taken:
            yield
        self._replica.settle()
        yield from _until_done(self._add_taken())
        self._land()

    def _add_taken(self) -> list[MPI.Request]:
        """Begin to add the update that was taken."""
        whole = slice(0, self._replica.num_rebased)
        return self._model.add(self._replica.update[whole], self._replica.answer[whole])

    def _land(self) -> None:
        """Rebase onto the answer, now that the update has landed."""
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
