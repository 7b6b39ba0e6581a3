"""Virtual time: what happens next, in an order that depends on nothing but the run itself."""

from heapq import heappop, heappush
from typing import Callable


class VirtualClock:
    """Actions by (time, priority, order of booking); the smallest comes first.

    Of what happens at the same moment commits land first, then workers act, then the server
    looks: it sees everything that this moment brought.
    """

    LANDING, WORKER, SERVER = range(3)

    def __init__(self) -> None:
        self.now = 0.0
        self.at_once = 0
        """Actions since time last went on."""
        self.booked = 0
        self.heap: list[tuple[float, int, int, Callable[[], None]]] = []

    def at(self, moment: float, priority: int, action: Callable[[], None]) -> None:
        """Do `action` at second `moment`, or now where that is over."""
        self.booked += 1
        heappush(self.heap, (max(moment, self.now), priority, self.booked, action))

    def step(self) -> bool:
        """Go to the next action and do it; False when there is none."""
        if not self.heap:
            return False
        moment, _, _, action = heappop(self.heap)
        self.at_once = self.at_once + 1 if moment == self.now else 0
        self.now = moment
        action()
        return True
