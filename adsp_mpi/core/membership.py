"""Who takes part: which workers are silent for too long, which are back, and from where they go on.

A worker gives signs of life on its row of the board. It is given up when it has been silent for a
multiple of the longest time that ever lay between two of them: that is made of its own steps and
commits. It stays on the board; everybody stops counting it. Shows it life again, or is a spare
wanted, it is taken in while all stand still.
"""

import numpy as np

from adsp_mpi.core.board import Board, Presence

PATIENCE = 5.0
"""Silence of so many times a worker's own longest one is too long."""

LEAST_PATIENCE_S = 2.0
"""What an operating system may hold up a process by."""

UNKNOWN_PATIENCE_S = 60.0
"""Until a worker has taken its first steps."""

LOOK_AT_MOST_S = 0.5
"""Of the time between two looks so much counts: a job that was suspended as a whole wakes up at
once, and rank 0 may have been busy itself."""


class Membership:
    """Rank 0's watch over the workers of `board`, of which `num_wanted` are to take part."""

    def __init__(self, board: Board, num_wanted: int) -> None:
        self._board = board
        self._num_wanted = num_wanted
        self._looked_s: float | None = None
        self._heard_s = board.column("heartbeat_s").copy()
        self._silent_s = np.zeros(board.num_workers)

    def look(self, now: float) -> list[int]:
        """Give up who was silent for too long; the workers that this look gave up."""
        passed_s = 0.0 if self._looked_s is None else now - self._looked_s
        self._looked_s = now
        heartbeat_s = self._board.column("heartbeat_s")
        spoke = heartbeat_s != self._heard_s
        self._heard_s = heartbeat_s.copy()
        self._silent_s = np.where(spoke, 0.0, self._silent_s + min(passed_s, LOOK_AT_MOST_S))
        here = ~self._board.lost & (self._board.column("presence") < Presence.GONE)
        gone = here & (self._silent_s > self.patience_s)
        self._board.assignment("lost")[gone] = 1
        return np.flatnonzero(gone).tolist()

    @property
    def silent_s(self) -> np.ndarray:
        """How long each worker has been silent, s, float64[M]."""
        return self._silent_s

    @property
    def patience_s(self) -> np.ndarray:
        """How long each may be, s, float64[M]."""
        longest_s = self._board.column("longest_s")
        known = self._board.column("steps") - self._board.column("excused_steps") >= 2
        patience_s = np.maximum(PATIENCE * longest_s, LEAST_PATIENCE_S)
        return np.where(known, patience_s, np.maximum(patience_s, UNKNOWN_PATIENCE_S))

    def release(self) -> None:
        """The run is over: who is outside and lives is waited for like everybody else."""
        alive = self._silent_s < LEAST_PATIENCE_S / 2
        self._board.assignment("lost")[alive] = 0

    def candidate(self) -> int | None:
        """A worker outside that lives, while one is wanted; those that took part before first."""
        board = self._board
        if board.present.sum() + (board.column("presence") > Presence.PAUSED).sum() >= (
            self._num_wanted
        ):
            return None
        alive = board.lost & (self._silent_s < LEAST_PATIENCE_S / 2)
        alive &= board.column("presence") <= Presence.PAUSED
        outside = np.flatnonzero(alive & (board.column("heartbeat_s") > 0))
        by_steps = sorted(outside, key=lambda worker: -board.column("steps")[worker])
        return int(by_steps[0]) if by_steps else None

    def assign(self, worker: int) -> None:
        """Say where `worker`, about to be taken in, goes on from; everybody stands still."""
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
