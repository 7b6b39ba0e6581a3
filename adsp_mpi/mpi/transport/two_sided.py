"""A remote array by messages: a thread of the server applies the operations that others send.

For an MPI whose one-sided operations are too slow between hosts. Each operation is one message, a
header before the values, and one answer; both have the operation's number as their tag.
"""

import threading
from dataclasses import dataclass

import numpy as np
from mpi4py import MPI

from adsp_mpi.mpi.ranks.backoff import EAGER_S, IDLE_S
from adsp_mpi.mpi.ranks.world import SERVER, World
from adsp_mpi.mpi.transport.remote_array import ArrayInOnePlace, Kind

HEADER = np.dtype([("kind", "i8"), ("offset", "i8"), ("count", "i8")])
MANY_TAGS = 2**14

EAGER_FOR = 200
"""After this many looks without a message the thread looks less often."""


@dataclass
class Arriving:
    """A message that the root is receiving."""

    source: int
    tag: int
    data: np.ndarray
    request: MPI.Request


class TwoSidedArray(ArrayInOnePlace):
    """An array by messages; needs MPI_THREAD_MULTIPLE. A rank that dies does not affect others."""

    way = "messages to a thread of the server"

    def __init__(
        self, world: World, num_elements: int, dtype: str, chunk_elements: int, root: int = SERVER
    ) -> None:
        super().__init__(world, num_elements, dtype, chunk_elements, root)
        self._comm = world.comm.Dup()
        self._number = 0
        self._array = np.zeros(num_elements if self._is_root else 0, dtype)
        self._sources = [rank for rank in range(world.comm.size) if rank != root]
        self._arriving: list[Arriving] = []
        self._leaving: list[tuple[np.ndarray, MPI.Request]] = []
        self._sent: list[tuple[np.ndarray, MPI.Request]] = []
        self._asking = threading.Lock()
        self._applying = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        if self._is_root:
            self._thread.start()

    @property
    def _is_root(self) -> bool:
        return self.world.rank == self.root

    @property
    def memory(self) -> np.ndarray:
        return self._array

    def start(
        self, values: np.ndarray | None, before: np.ndarray, offset: int, kind: Kind
    ) -> list[MPI.Request]:
        if self._is_root:
            return self._start_here(values, before, offset, kind)
        requests = []
        for part in self.parts(len(before)):
            payload = None if values is None else values[part].view("u1")
            there = slice(offset + part.start, offset + part.stop)
            requests += self._ask(kind, there, payload, before[part].view("u1"))
        return requests

    def _ask(
        self, kind: int, there: slice, payload: np.ndarray | None, answer: np.ndarray
    ) -> list[MPI.Request]:
        """Send an operation on the elements `there`; done when `answer`, uint8[], is complete."""
        head = np.array([(kind, there.start, there.stop - there.start)], HEADER).view("u1")
        message = head if payload is None else np.concatenate([head, payload])
        with self._asking:  # heartbeats come from another thread
            self._sent = [sent for sent in self._sent if not sent[1].Test()]
            self._number = (self._number + 1) % MANY_TAGS
            answered = self._comm.Irecv(answer, self.root, self._number)
            self._sent.append((message, self._comm.Isend(message, self.root, self._number)))
        return [answered]

    def _start_here(
        self, values: np.ndarray | None, before: np.ndarray, offset: int, kind: Kind
    ) -> list[MPI.Request]:
        before[:] = self._apply(kind, offset, len(before), values)
        return []

    def _serve(self) -> None:
        idle = 0
        while not self._over.is_set():
            busy = self._receive() | self._answer()
            idle = 0 if busy else idle + 1
            self._over.wait(EAGER_S if idle < EAGER_FOR else IDLE_S)

    def _receive(self) -> bool:
        """Begin to receive all messages that have been sent; returns whether there are any."""
        found = False
        for source in list(self._sources):
            status = MPI.Status()
            try:
                message = self._comm.Improbe(source, MPI.ANY_TAG, status)
            except MPI.Exception:
                self._sources.remove(source)
                continue
            if message is not None:
                found = True
                data = np.empty(status.Get_count(MPI.BYTE), "u1")
                request = message.Irecv(data)
                self._arriving.append(Arriving(source, status.tag, data, request))
        return found

    def _answer(self) -> bool:
        """Apply and answer all messages that have arrived; returns whether any are under way."""
        under_way = bool(self._arriving or self._leaving)
        for arriving in list(self._arriving):
            if _ends(arriving.request):
                self._arriving.remove(arriving)
                if arriving.source in self._sources:
                    self._apply_message(arriving)
        self._leaving = [leaving for leaving in self._leaving if not _ends(leaving[1])]
        return under_way

    def _apply_message(self, arriving: Arriving) -> None:
        head = arriving.data[: HEADER.itemsize].view(HEADER)[0]
        payload = arriving.data[HEADER.itemsize :]
        kind, offset, count = head.tolist()
        answer = self._carry_out(arriving.source, kind, offset, count, payload)
        try:
            request = self._comm.Isend(answer, arriving.source, arriving.tag)
        except MPI.Exception:
            self._sources.remove(arriving.source)
        else:
            self._leaving.append((answer, request))

    def _carry_out(
        self, source: int, kind: int, offset: int, count: int, payload: np.ndarray
    ) -> np.ndarray:
        """Carry out an operation of rank `source`; returns the answer, uint8[]."""
        return self._apply(kind, offset, count, payload.view(self.dtype)).view("u1")

    def _apply(self, kind: int, offset: int, count: int, values: np.ndarray | None) -> np.ndarray:
        there = self._array[offset : offset + count]
        with self._applying:  # the root's own operations come from another thread
            before = there.copy()
            if kind == Kind.ADD:
                there += values
            elif kind == Kind.WRITE:
                there[:] = values
        return before

    def free(self) -> None:
        if self._over.is_set():
            return
        self.world.wait_for_all()
        self._over.set()
        if self._is_root:
            self._thread.join()
        self._comm.Free()


def _ends(request: MPI.Request) -> bool:
    """Whether the request is complete, or never will be, as the other side has died."""
    try:
        return bool(request.Test())
    except MPI.Exception:
        return True
