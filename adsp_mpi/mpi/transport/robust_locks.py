"""Locks in shared memory that are free again when the process that holds one dies.

These are the C library's robust mutexes. A free lock costs no system call, who waits for a taken
one sleeps, and the kernel gives the lock of a killed process to the next that wants it. File locks
would do so too, but a child process (a data loader's) keeps its parent's files open, and with them
the locks of a parent that was killed.
"""

import ctypes
import errno
import os
import sys

import numpy as np

LOCK_BYTES = 64
"""Room for a `pthread_mutex_t`, 40 or 48 bytes on Linux; and a cache line."""

PTHREAD_PROCESS_SHARED = PTHREAD_MUTEX_ROBUST = 1
"""In glibc and in musl."""

_waiting = ctypes.CDLL(None)  # Python's other threads run meanwhile
_at_once = ctypes.PyDLL(None)  # they do not: who holds a lock need not wait for their leave

_try_lock, _unlock = _at_once.pthread_mutex_trylock, _at_once.pthread_mutex_unlock


class RobustLocks:
    """As many locks as fit into `memory`, uint8[locks * LOCK_BYTES], which several processes map.

    They exclude threads too. One process calls `initialize` before any other uses them.
    """

    def __init__(self, memory: np.ndarray) -> None:
        self._memory = memory
        places = range(memory.ctypes.data, memory.ctypes.data + len(memory), LOCK_BYTES)
        self._places = [ctypes.c_void_p(place) for place in places]

    def initialize(self) -> bool:
        """Make all locks, free; False where the system has none of this kind."""
        if sys.platform != "linux":
            return False
        attributes = ctypes.create_string_buffer(LOCK_BYTES)
        errors = [
            _at_once.pthread_mutexattr_init(attributes),
            _at_once.pthread_mutexattr_setpshared(attributes, PTHREAD_PROCESS_SHARED),
            _at_once.pthread_mutexattr_setrobust(attributes, PTHREAD_MUTEX_ROBUST),
            *(_at_once.pthread_mutex_init(place, attributes) for place in self._places),
        ]
        return not any(errors)

    def acquire(self, number: int) -> None:
        """Hold this lock; sleeps while another thread of any process does."""
        place = self._places[number]
        error = _try_lock(place)
        if not error:
            return
        if error == errno.EBUSY:
            error = _waiting.pthread_mutex_lock(place)
        if error == errno.EOWNERDEAD:
            error = _at_once.pthread_mutex_consistent(place)
        if error:
            raise OSError(error, os.strerror(error))

    def release(self, number: int) -> None:
        """Give the lock back."""
        _unlock(self._places[number])
