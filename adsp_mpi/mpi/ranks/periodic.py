"""A thread that repeats an action while a block runs."""

import threading
from typing import Callable

from mpi4py import MPI


class PeriodicThread:
    """A context in which a thread calls `action` every `period_s`, first after one period.

    If it `needs_mpi`, it is called only on an MPI that allows calls from several threads.
    """

    def __init__(
        self, action: Callable[[], None], period_s: float, needs_mpi: bool = False
    ) -> None:
        self._action = action
        self._period_s = period_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._possible = not needs_mpi or MPI.Query_thread() == MPI.THREAD_MULTIPLE

    def __enter__(self) -> "PeriodicThread":
        if self._possible:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._possible:
            self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(self._period_s):
            self._action()
