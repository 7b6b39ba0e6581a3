"""How long a commit travels: its delay, its worker's link, and the server's shared link.

The server's bandwidth is shared max-min fairly: every commit under way gets the same rate, but
none more than its worker's link carries; what it cannot use goes to the others.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

from adsp_mpi.core.hetero.profile import Conditions
from adsp_mpi.sim.clock import VirtualClock

DONE = 1e-9
"""A commit has arrived when no larger share of it is left to send."""


@dataclass(slots=True)
class Transfer:
    left_mb: float
    limit_mb_s: float
    landed: Callable[[], None]
    rate_mb_s: float = 0.0


class Links:
    """Books the landing of commits of `megabytes` each; a `server_mb_s` of 0 means no limit."""

    def __init__(self, clock: VirtualClock, megabytes: float, server_mb_s: float) -> None:
        self._clock = clock
        self._megabytes = megabytes
        self._server_mb_s = server_mb_s
        self.transfers: list[Transfer] = []
        self.updated_s = 0.0
        self.plan = 0

    def send(self, conditions: Conditions, landed: Callable[[], None]) -> None:
        """Send a commit from now on, and call `landed` when all of it has arrived."""
        clock = self._clock
        if not self._server_mb_s:
            arrives_s = clock.now + conditions.commit_delay_s(self._megabytes)
            clock.at(arrives_s, clock.LANDING, landed)
            return
        limit = conditions.bandwidth_mb_s or math.inf
        transfer = Transfer(self._megabytes, limit, landed)
        clock.at(clock.now + conditions.delay_s, clock.LANDING, partial(self.begin, transfer))

    def begin(self, transfer: Transfer) -> None:
        self._move()
        self.transfers.append(transfer)
        self._share()

    def drop(self, landed: Callable[[], None]) -> None:
        """The commit that was to end in `landed` does not arrive."""
        self._clock.drop(
            lambda action: (
                action == landed or (isinstance(action, partial) and _lands(action.args, landed))
            )
        )
        self._move()
        self.transfers = [t for t in self.transfers if t.landed != landed]
        self._share()

    def _move(self) -> None:
        """Advance every transfer at its rate until now."""
        seconds = self._clock.now - self.updated_s
        self.updated_s = self._clock.now
        for transfer in self.transfers:
            transfer.left_mb -= transfer.rate_mb_s * seconds

    def _share(self) -> None:
        """Compute all rates anew and book the next arrival."""
        fair_rates(self.transfers, self._server_mb_s)
        self.plan += 1
        if not self.transfers:
            return
        plan = self.plan
        soonest_s = min(max(0.0, t.left_mb) / t.rate_mb_s for t in self.transfers)
        arrival_s = self._clock.now + soonest_s
        self._clock.at(arrival_s, self._clock.LANDING, partial(self.arrive, plan))

    def arrive(self, plan: int) -> None:
        if plan != self.plan:
            return
        self._move()
        arrived = [t for t in self.transfers if self._is_there(t)]
        self.transfers = [t for t in self.transfers if not self._is_there(t)]
        self._share()
        for transfer in arrived:
            transfer.landed()

    def _is_there(self, transfer: Transfer) -> bool:
        """Whether nothing is left, or too little for the clock's resolution."""
        now, left_mb = self._clock.now, transfer.left_mb
        return left_mb <= DONE * self._megabytes or now + left_mb / transfer.rate_mb_s <= now


def _lands(arguments: tuple[Any, ...], landed: Callable[[], None]) -> bool:
    """Whether what is booked with these arguments is the begin of the transfer to `landed`."""
    return any(isinstance(given, Transfer) and given.landed == landed for given in arguments)


def fair_rates(transfers: list[Transfer], total_mb_s: float) -> None:
    """Max-min fair shares of `total_mb_s`, by filling up from the smallest limit."""
    left_mb_s = total_mb_s
    ordered = sorted(transfers, key=lambda t: t.limit_mb_s)
    for number, transfer in enumerate(ordered):
        transfer.rate_mb_s = min(transfer.limit_mb_s, left_mb_s / (len(ordered) - number))
        left_mb_s -= transfer.rate_mb_s
