"""The virtual clock: an event queue whose order depends on nothing but the run itself."""

from heapq import heapify, heappop, heappush
from typing import Callable


class VirtualClock:
    """Runs booked actions in the order of (time, priority, order of booking).

    At one moment commits land first, then workers act, and then the server looks: it sees
    everything that happened at that moment.
    """

    LANDING, WORKER, SERVER = range(3)

    def __init__(self) -> None:
        self.now = 0.0
        self.at_once = 0
        """The number of actions since time last advanced."""
        self.booked = 0
        self.heap: list[tuple[float, int, int, Callable[[], None]]] = []

    def at(self, moment: float, priority: int, action: Callable[[], None]) -> None:
        """Book `action` for second `moment`, or for now if that is past."""
        self.booked += 1
        if moment < self.now:
            moment = self.now
        heappush(self.heap, (moment, priority, self.booked, action))

    def drop(self, concerns: Callable[[Callable[[], None]], bool]) -> None:
        """Strike out the actions of which `concerns` is true."""
        self.heap = [booked for booked in self.heap if not concerns(booked[3])]
        heapify(self.heap)

    def delay(self, owner: object, seconds: float) -> list[Callable[[], None]]:
        """Put off what the worker `owner` is to do itself; returns those actions."""

        def own(priority: int, action: Callable[[], None]) -> bool:
            return priority == self.WORKER and getattr(action, "__self__", None) is owner

        self.heap = [
            (moment + seconds if own(priority, action) else moment, priority, number, action)
            for moment, priority, number, action in self.heap
        ]
        heapify(self.heap)
        return [action for _, priority, _, action in self.heap if own(priority, action)]

    def step(self) -> bool:
        """Advance to the next action and do it; False if none is booked."""
        if not self.heap:
            return False
        moment, _, _, action = heappop(self.heap)
        self.at_once = self.at_once + 1 if moment == self.now else 0
        self.now = moment
        action()
        return True
