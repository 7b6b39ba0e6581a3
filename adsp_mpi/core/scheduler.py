"""Runs the scheduler half of a model for either engine."""

from typing import Callable

from adsp_mpi.core.actions import Goal, Observed, Run, Tell
from adsp_mpi.core.models.base import SyncModel


class Scheduler:
    """Feeds observations to the generator and hands out its `Run`s; `Tell`s go to `on_tell`.

    A generator cannot be saved, but `observations` can: a new Scheduler that is fed the same
    ones in order stands where this one stands.
    """

    def __init__(
        self, model: SyncModel, goal: Goal, first: Observed, on_tell: Callable[[Tell], None]
    ) -> None:
        self.observations = [first]
        self._on_tell = on_tell
        self._generator = model.scheduler(first, goal)
        self.run = self._until_run(next(self._generator), first)

    def advance(self, seen: Observed) -> Run:
        """The current `Run` is over and `seen` was observed in it: the next one."""
        self.observations.append(seen)
        self.run = self._until_run(self._generator.send(seen), seen)
        return self.run

    def _until_run(self, action: Run | Tell, seen: Observed) -> Run:
        while isinstance(action, Tell):
            self._on_tell(action)
            action = self._generator.send(seen)
        return action
