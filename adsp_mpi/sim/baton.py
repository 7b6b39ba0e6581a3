"""Threads of which one runs at a time: each is one rank's call of a user's training function."""

import threading
from typing import Any, Callable

import torch

from adsp_mpi.errors import AdspError, unexpected
from adsp_mpi.learn.random_state import put_random_state, random_state


class _Dropped(BaseException):
    """Ends the thread of a simulation that goes on no longer."""


class RandomStates:
    """The global random generators, of which every rank has its own state."""

    def __init__(self) -> None:
        self._states: dict[int, dict[str, Any]] = {}
        self._owner: int | None = None

    def give(self, rank: int) -> None:
        """Let the generators stand as `rank` left them; as they stand now, if it never had them."""
        if self._owner == rank:
            return
        self.keep()
        self._owner = rank
        if rank in self._states:
            put_random_state(self._states[rank])

    def keep(self) -> None:
        """Note how the generators stand for the rank that has them."""
        if self._owner is not None:
            self._states[self._owner] = random_state()

    def state_dict(self) -> dict[str, Any]:
        """For `load_state_dict`."""
        self.keep()
        return {str(rank): state for rank, state in self._states.items()}

    def load_state_dict(self, states: dict[str, Any]) -> None:
        """Let every rank's generators stand as they did."""
        self._states = {int(rank): state for rank, state in states.items()}
        self._owner = None


class LoopThread:
    """A thread that runs `function` while `go_on` waits, until it calls `park` or ends."""

    def __init__(
        self, rank: int, function: Callable[[], None], generators: RandomStates, threads: int
    ) -> None:
        self.rank = rank
        self.ended = False
        self._function = function
        self._generators = generators
        self._num_threads = threads
        self._error: BaseException | None = None
        self._dropped = False
        self._go = threading.Semaphore(0)
        self._parked = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def go_on(self) -> None:
        """Run the function on to where it parks or ends; raises its error, of its rank."""
        self._generators.give(self.rank)
        self._go.release()
        self._parked.acquire()
        if self._error is not None:
            raise self._told(self._error)

    def park(self) -> None:
        """Called by the function: stand still until the next `go_on`."""
        self._parked.release()
        self._go.acquire()
        if self._dropped:
            raise _Dropped

    def drop(self) -> None:
        """End a thread that stands still."""
        if not self.ended:
            self._dropped = True
            self._go.release()
            self._thread.join()

    def _work(self) -> None:
        torch.set_num_threads(self._num_threads)
        self._go.acquire()
        try:
            if not self._dropped:
                self._function()
        except _Dropped:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self.ended = True
            self._parked.release()

    def _told(self, error: BaseException) -> AdspError:
        if isinstance(error, AdspError):
            return error
        who = "rank 0" if self.rank == 0 else f"worker {self.rank - 1}"
        return AdspError(f"{who}: {unexpected(error)}")
