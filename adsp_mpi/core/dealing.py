"""Samples on demand: all workers take the next samples of one common order from a counter.

The counter `dealt` on the board counts positions of the order, pass after pass. A worker adds to it
what it wants, and the positions from the value before on are its own: a range. While it trains on
one range it asks for the next, so that no step waits. The ranges that it holds are in its row: if
it is lost, rank 0 gives them to others.
"""

from typing import Any, Iterator, Protocol

from adsp_mpi.core.board import Board, Presence
from adsp_mpi.core.row import HELD_RANGES, Row

Range = tuple[int, int]
"""The first position, and the number of positions."""


class Counter(Protocol):
    """The board's counter `dealt`, as a worker reaches it."""

    def add(self, positions: int) -> None:
        """Begin to add `positions` to the counter; not before the last answer has been taken."""

    def before(self, wait: bool) -> int | None:
        """The counter's value before that addition; None if it is not known yet."""


class BoardCounter:
    """The counter `dealt` of a board in this process: it answers at once."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._before = 0

    def add(self, positions: int) -> None:
        self._before = self._board.dealt
        self._board.dealt += positions

    def before(self, wait: bool) -> int:
        return self._before


class Hand:
    """The ranges that a worker holds, in the order in which it trains on them.

    Whoever reads samples ahead takes `positions` and reports what was trained on as `done`; whoever
    trains on them at once calls `take`. Before it is connected to a run it is dealt all samples.
    """

    def __init__(self) -> None:
        self._held: list[Range] = []
        self._first = 0  # the number of ranges that are done or dropped
        self._offset = 0  # positions of the first range that are done
        self._given = 0  # positions that were read and are not done
        self._dropped = 0  # of those, the ones of ranges that are no longer held
        self._want = 1
        self._asked = 0
        self._worker, self._row, self._board = 0, Row(), Board(1)
        self._counter: Counter = BoardCounter(self._board)

    def connect(self, worker: int, row: Row, board: Board, counter: Counter) -> None:
        """Give the hand of `worker` its row, the board, and the counter."""
        self._worker, self._row, self._board, self._counter = worker, row, board, counter
        self._show()

    def positions(self, want: int) -> Iterator[int]:
        """All positions to train on, without end, from the first that is not done.

        New ranges have `want` positions.
        """
        self._want = want
        self._given = self._dropped = 0
        number, offset = self._first, self._offset
        while True:
            if number < self._first:
                number, offset = self._first, 0
            if number - self._first == len(self._held):
                self._receive(wait=True)
            if number - self._first == len(self._held) - 1:
                self._ask()
            start, size = self._held[number - self._first]
            if offset == size:
                number, offset = number + 1, 0
                continue
            offset += 1
            self._given += 1
            yield start + offset - 1

    def take(self, count: int, want: int) -> list[Range]:
        """The next `count` positions to train on, which count as done; as in `positions`."""
        self._want = want
        taken = []
        while count:
            if not self._held:
                self._receive(wait=True)
            if len(self._held) == 1:
                self._ask()
            first, size = self._held[0]
            now = min(count, size - self._offset)
            taken.append((first + self._offset, now))
            count -= now
            self._given += now
            self.done(now)
        return taken

    def done(self, positions: int) -> None:
        """The next `positions` that were read are trained on."""
        self._given -= positions
        dropped = min(positions, self._dropped)
        self._dropped -= dropped
        self._offset += positions - dropped
        first = self._first
        while self._held and self._offset >= self._held[0][1]:
            self._offset -= self._held.pop(0)[1]
            self._first += 1
        if self._first > first:
            self._show()
        self._receive(wait=False)

    def drop(self) -> None:
        """Forget all ranges: rank 0 has given them to others."""
        self._first += len(self._held)
        self._held.clear()
        self._offset, self._dropped = 0, self._given
        self._row.again = self._board.assignment("again")[self._worker]
        self._show()

    def _ask(self) -> None:
        if not self._asked:
            self._asked = self._want
            self._counter.add(self._want)

    def _receive(self, wait: bool) -> None:
        """Take a range that rank 0 gives again, or else the one asked for."""
        times = self._board.assignment("again")[self._worker]
        if times > self._row.again:
            self._row.again = times
            self._hold(range_given_to(self._board, self._worker))
            return
        if wait:
            self._ask()
        if self._asked and (before := self._counter.before(wait)) is not None:
            asked, self._asked = self._asked, 0
            self._hold((before, asked))

    def _hold(self, more: Range) -> None:
        self._held.append(more)
        self._show()

    def _show(self) -> None:
        """Show the ranges held in the worker's row."""
        for k in range(HELD_RANGES):
            start, size = self._held[k] if k < len(self._held) else (0, 0)
            self._row.hold(k, start, size)

    def state_dict(self) -> dict[str, Any]:
        """The ranges held, for `load_state_dict`; waits for a range that was asked for."""
        while self._asked:
            self._receive(wait=True)
        return {"held": [list(held) for held in self._held], "offset": self._offset}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned, before the first position is read."""
        self._held = [(int(start), int(size)) for start, size in state["held"]]
        self._offset = int(state["offset"])


class Redealer:
    """Rank 0's part: the ranges of lost workers are given to those that train."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._ranges: list[Range] = []

    @property
    def has_ranges(self) -> bool:
        """Whether some range is still to be given to a worker."""
        return bool(self._ranges)

    def collect(self, worker: int) -> None:
        """Take the ranges that a lost worker held, and one that it has not taken up."""
        board = self._board
        self._ranges += held_ranges(board, worker)
        if board.assignment("again")[worker] > board.column("again")[worker]:
            self._ranges.append(range_given_to(board, worker))

    def go_on(self, before: Board) -> None:
        """Go on dealing where a run with other workers stood, of which `before` is the board."""
        self._board.dealt = before.dealt
        for worker in range(before.num_workers):
            self._ranges += held_ranges(before, worker)

    def deal(self) -> None:
        """Give the ranges to workers that have taken up what they were given before."""
        board = self._board
        presence = board.column("presence")
        for worker in range(board.num_workers):
            if not self._ranges:
                return
            waits = board.assignment("again")[worker] > board.column("again")[worker]
            if waits or board.is_lost(worker) or presence[worker] != Presence.TRAINING:
                continue
            first, size = self._ranges.pop(0)
            board.assignment("again_from")[worker] = first
            board.assignment("again_size")[worker] = size
            board.assignment("again")[worker] += 1  # last: it says that the others are there

    def state_dict(self) -> list[list[int]]:
        return [list(held) for held in self._ranges]

    def load_state_dict(self, state: list[list[int]]) -> None:
        self._ranges = [(first, size) for first, size in state]


def range_given_to(board: Board, worker: int) -> Range:
    """The range that rank 0 gave to `worker` last."""
    first, size = (board.assignment(name)[worker] for name in ("again_from", "again_size"))
    return int(first), int(size)


def held_ranges(board: Board, worker: int) -> list[Range]:
    """The ranges in the row of `worker`."""
    pairs = (
        (int(board.column(f"held_from_{k}")[worker]), int(board.column(f"held_size_{k}")[worker]))
        for k in range(HELD_RANGES)
    )
    return [(first, size) for first, size in pairs if size]
