"""Locks in shared memory that become free when the process that holds them dies.

These are the C library's robust mutexes. Taking a free lock needs no system call, waiting for a
taken one sleeps, and the kernel gives the lock of a killed process to the next waiter. File locks
would do so too, but a child process (of a data loader) keeps its parent's files open, and with them
the locks of a killed parent.
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

_waiting = ctypes.CDLL(None)  # Python's other threads run during a call
_at_once = ctypes.PyDLL(None)  # they do not: the holder of a lock need not wait for them

_try_lock, _unlock = _at_once.pthread_mutex_trylock, _at_once.pthread_mutex_unlock


class RobustLocks:
    """Locks in `memory`, uint8[locks * LOCK_BYTES], which several processes map.

    They exclude threads too. One process must call `initialize` before any other uses them.
    """

    def __init__(self, memory: np.ndarray) -> None:
        self._memory = memory
        places = range(memory.ctypes.data, memory.ctypes.data + len(memory), LOCK_BYTES)
        self._places = [ctypes.c_void_p(place) for place in places]

    def initialize(self) -> bool:
        """Initialize all locks as free; False if the system has no such locks."""
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
        """Take this lock; sleeps while another thread of any process holds it."""
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
        """Release this lock."""
        _unlock(self._places[number])
