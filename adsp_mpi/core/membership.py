"""Membership: which workers are lost, slow or back, and the counts from which one goes on.

A worker gives heartbeats, and apart from them shows when its loop last did something. Without
heartbeats it is lost: it stays on the board, but nobody counts it any more, and what it has not
committed is dropped if it comes back. A worker that gives heartbeats but has been long in a step is
slow. That is only reported: it keeps what it has learnt, rounds wait for it, and ADSP asks for more
commits from it afterwards. A lost worker that gives heartbeats again, or a spare that is needed, is
admitted while all workers pause.
"""

from dataclasses import dataclass
from typing import Any, Callable, Generator

import numpy as np

from adsp_mpi.core.board import Board, PauseReason, Presence, Stage
from adsp_mpi.core.dealing import Redealer
from adsp_mpi.core.patience import HEARTBEAT_S, Process, Silence, patience_s
from adsp_mpi.core.server_engine import Until, workers_have

SLOW_FACTOR = 5.0
"""A loop is slow after this multiple of the longest time it has ever taken between two signs."""

SLOW_S = 2.0
"""No loop is slow sooner than this: the operating system may hold up a process for as long."""

FIRST_STEPS_S = 60.0
"""Before its second step no loop is slow sooner than this."""

ENDING_S = 60.0
"""How long the end of a run waits for a worker that gives heartbeats but whose loop hangs."""

BEATING_S = 3 * HEARTBEAT_S
"""A worker whose last heartbeat is this old is alive."""

FOLLOWS_S = 2.0
"""A worker that is admitted follows within this time, or stays outside."""

AWAKE_S = 1.0
"""A worker that is lost or a spare can be admitted if its loop did something this recently."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The workers that are newly lost, newly slow, or slow no more."""

    lost: list[int]
    slow: list[int]
    recovered: list[int]


class Membership:
    """Rank 0's watch over the workers of `board`, of which `num_wanted` should take part."""

    def __init__(self, board: Board, num_wanted: int) -> None:
        self._board = board
        self._num_wanted = num_wanted
        self._heartbeats = Silence(board.column("heartbeat_s"))
        self._acts = Silence(board.column("acted_s"))
        self._ending = False
        self.redealer = Redealer(board)
        self.slow = np.zeros(board.num_workers, bool)
        """Which workers have been in a step for much longer than ever before, bool[M]."""

    def look(self, now: float, processes: np.ndarray | None = None) -> Changes:
        """Mark lost workers on the board; returns the changes since the last call.

        `processes`, int[M] of `Process`, is what is known of the workers' processes.
        """
        board = self._board
        if processes is None:
            processes = np.full(board.num_workers, Process.ELSEWHERE)
        presence = board.column("presence")
        here = ~board.lost & (presence < Presence.GONE)
        silent_s = self._heartbeats.look(now, board.column("heartbeat_s"))
        idle_s = self._acts.look(now, board.column("acted_s"))
        lost = here & (silent_s > patience_s(processes))
        if self._ending:
            lost |= here & (idle_s > ENDING_S)
        if lost.any():
            board.set_lost(lost, True)
            for worker in np.flatnonzero(lost).tolist():
                self.redealer.collect(worker)
        self.redealer.deal()
        alive = (silent_s < BEATING_S) | (processes == Process.RUNNING)
        slow = here & ~lost & alive & (presence <= Presence.PAUSED) & (idle_s > self._usual_s)
        newly, recovered = slow & ~self.slow, self.slow & here & ~lost & ~slow
        self.slow = slow
        return Changes(*(np.flatnonzero(who).tolist() for who in (lost, newly, recovered)))

    @property
    def silent_s(self) -> np.ndarray:
        """The seconds since each worker's last heartbeat, float64[M]."""
        return self._heartbeats.seconds

    @property
    def idle_s(self) -> np.ndarray:
        """The seconds since each worker's loop last did something, float64[M]."""
        return self._acts.seconds

    @property
    def _usual_s(self) -> np.ndarray:
        """The seconds after which each worker's idle loop counts as slow, float64[M]."""
        board = self._board
        known = board.column("steps") - board.column("excused_steps") >= 2
        return np.maximum(
            SLOW_FACTOR * board.column("longest_s"), np.where(known, SLOW_S, FIRST_STEPS_S)
        )

    def release(self) -> None:
        """At the end of the run, wait also for lost workers and spares that are alive."""
        self._ending = True
        self._board.set_lost(self.silent_s < AWAKE_S, False)

    def candidate(self) -> int | None:
        """A lost worker or a spare to admit if one is needed; one with more steps goes first."""
        board = self._board
        if board.present.sum() + (board.column("presence") > Presence.PAUSED).sum() >= (
            self._num_wanted
        ):
            return None
        awake = board.lost & (self.idle_s < AWAKE_S)
        awake &= board.column("presence") <= Presence.PAUSED
        outside = np.flatnonzero(awake & (board.column("heartbeat_s") > 0))
        by_steps = sorted(outside, key=lambda worker: -board.column("steps")[worker])
        return int(by_steps[0]) if by_steps else None

    def admission(self, worker: int, now: Callable[[], float]) -> Generator[Until, None, bool]:
        """Admit `worker` while all workers pause; returns whether it has followed in time."""
        board = self._board
        admitted = board.column("admitted")
        board.pause(PauseReason.ADMISSION)
        yield workers_have(board, "presence", Presence.PAUSED)
        self.assign(worker)
        number = board.assignment("admitted")[worker]
        yield Until(now() + FOLLOWS_S, lambda: bool(admitted[worker] == number))
        followed = bool(admitted[worker] == number)
        if followed:
            board.set_lost(worker, False)
        board.stage = Stage.TRAIN
        return followed

    def text_of_lost(self, worker: int, torn: str) -> str:
        """How a lost worker was lost; `torn` says what became of its commit in flight."""
        begun, done = (int(self._board.column(name)[worker]) for name in ("begun", "commits"))
        silent_s, idle_s = self.silent_s[worker], self.idle_s[worker]
        hangs = f"alive, but without a step for {idle_s:.0f} s"
        text = hangs if silent_s < HEARTBEAT_S else f"silent for {silent_s:.1f} s"
        in_flight = f"; its commit {begun} {torn}" if begun > done else ""
        return f"{text}, after {done} commits{in_flight}"

    def text_of_back(self, worker: int) -> str:
        """From where an admitted worker takes part."""
        return f"takes part from step {int(self._board.column('steps')[worker])} on"

    def state_dict(self) -> dict[str, Any]:
        """For `load_state_dict`; not while a worker is being admitted."""
        return {
            "heartbeats": self._heartbeats.state_dict(),
            "acts": self._acts.state_dict(),
            "slow": self.slow,
            "ranges": self.redealer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self._heartbeats.load_state_dict(state["heartbeats"])
        self._acts.load_state_dict(state["acts"])
        self.slow = state["slow"]
        self.redealer.load_state_dict(state["ranges"])

    def assign(self, worker: int) -> None:
        """Assign the counts and the share from which `worker` goes on; all workers pause."""
        board = self._board
        for name in ("steps", "commits", "rounds", "pulls"):
            lowest = board.minimum(name)
            own = board.column(name)[worker]
            least = own if np.isinf(lowest) else lowest
            exact = name in ("rounds", "pulls")
            board.assignment(f"from_{name}")[worker] = least if exact else max(own, least)
        board.assignment("share")[worker] = self._free_share(worker)
        board.assignment("admitted")[worker] += 1

    def _free_share(self, worker: int) -> int:
        shares = self._board.assignment("share").astype(int)
        taken = set(shares[~self._board.lost].tolist())
        own = int(shares[worker])
        free = [own] if 0 <= own < self._num_wanted and own not in taken else []
        return [*free, *(share for share in range(self._num_wanted) if share not in taken)][0]
