"""A remote array by messages: a thread of rank 0 applies what the others send.

For an MPI whose one-sided operations are no good between hosts. Each operation is one message,
its header in front of its values, and one answer; both carry the operation's number as their tag.
"""

import threading
from dataclasses import dataclass

import numpy as np
from mpi4py import MPI

from adsp_mpi.mpi.remote_array import Kind, RemoteArray
from adsp_mpi.mpi.world import SERVER, World

HEADER = np.dtype([("kind", "i8"), ("offset", "i8"), ("count", "i8")])
MANY_TAGS = 2**14

EAGER_S = 1e-4
IDLE_S = 2e-3
EAGER_FOR = 200
"""So many times without a message, and the thread looks less often."""


@dataclass
class Arriving:
    """A message on its way to rank 0."""

    source: int
    tag: int
    data: np.ndarray
    request: MPI.Request


class ServedArray(RemoteArray):
    """Needs MPI_THREAD_MULTIPLE. Ranks that die are served no more; nobody else notices."""

    def __init__(self, world: World, num_elements: int, dtype: str, chunk_elements: int) -> None:
        super().__init__(world, num_elements, dtype, chunk_elements)
        self._comm = world.comm.Dup()
        self._number = 0
        self._array = np.zeros(num_elements if world.is_server else 0, dtype)
        self._sources = [rank for rank in range(world.comm.size) if rank != SERVER]
        self._arriving: list[Arriving] = []
        self._leaving: list[tuple[np.ndarray, MPI.Request]] = []
        self._sent: list[tuple[np.ndarray, MPI.Request]] = []
        self._applying = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        if world.is_server:
            self._thread.start()

    @property
    def memory(self) -> np.ndarray:
        return self._array

    def _start(
        self, values: np.ndarray | None, before: np.ndarray, offset: int, kind: Kind
    ) -> list[MPI.Request]:
        if self.world.is_server:
            return self._start_here(values, before, offset, kind)
        self._sent = [sent for sent in self._sent if not sent[1].Test()]
        requests = []
        for part in self.parts(len(before)):
            self._number = (self._number + 1) % MANY_TAGS
            answer = before[part]
            head = np.array([(kind, offset + part.start, len(answer))], HEADER)
            pieces = [head.view("u1")] + ([] if values is None else [values[part].view("u1")])
            message = np.concatenate(pieces)
            requests.append(self._comm.Irecv(answer.view("u1"), SERVER, self._number))
            self._sent.append((message, self._comm.Isend(message, SERVER, self._number)))
        return requests

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
        """Begin to receive whatever has been sent; whether anything has."""
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
        """Apply and answer what has arrived; whether anything is under way."""
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
        values = arriving.data[HEADER.itemsize :].view(self.dtype)
        before = self._apply(int(head["kind"]), int(head["offset"]), int(head["count"]), values)
        try:
            request = self._comm.Isend(before.view("u1"), arriving.source, arriving.tag)
        except MPI.Exception:
            self._sources.remove(arriving.source)
        else:
            self._leaving.append((before, request))

    def _apply(self, kind: int, offset: int, count: int, values: np.ndarray | None) -> np.ndarray:
        there = self._array[offset : offset + count]
        with self._applying:  # rank 0's own operations come from another thread
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
        if self.world.is_server:
            self._thread.join()
        self._comm.Free()


def _ends(request: MPI.Request) -> bool:
    """Whether it is complete, or will never be: its other side has died."""
    try:
        return bool(request.Test())
    except MPI.Exception:
        return True
