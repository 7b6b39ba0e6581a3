"""Samples on demand: which positions of the common order workers train on."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsp_mpi.core.board import Board
from adsp_mpi.core.dealing import BoardCounter, Hand, Redealer, held_ranges
from adsp_mpi.core.row import Row
from adsp_mpi.learn.sample_order import SampleOrder


class LateCounter(BoardCounter):
    """A counter whose answers come only to those who wait, as over a slow network."""

    def before(self, wait: bool) -> int | None:  # type: ignore[override]
        return super().before(wait) if wait else None


class Table:
    """Hands of some workers over one board, each read ahead by its loader."""

    def __init__(self, workers: int) -> None:
        self.board = Board(workers)
        self.redealer = Redealer(self.board)
        self.hands = [self.hand(worker) for worker in range(workers)]
        self.read: list[list[int]] = [[] for _ in range(workers)]
        self.sources = [hand.positions(want=3 + w) for w, hand in enumerate(self.hands)]
        self.trained: Counter[int] = Counter()

    def hand(self, worker: int) -> Hand:
        hand, row = Hand(), Row(self.board.rows[worker])
        hand.connect(worker, row, self.board, BoardCounter(self.board))
        return hand

    def step(self, worker: int, batch: int, ahead: int = 0) -> None:
        """Worker `worker` trains on a batch, while its loader has read `ahead` batches more."""
        read = self.read[worker]
        while len(read) < batch * (1 + ahead):
            read.append(next(self.sources[worker]))
        self.hands[worker].done(batch)
        self.trained.update(read[:batch])
        del read[:batch]

    def lose(self, worker: int) -> None:
        self.board.set_lost(worker, True)
        self.redealer.collect(worker)


STEPS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(0, 3)), max_size=60)


@given(STEPS)
@settings(max_examples=60)
def test_no_position_is_trained_on_twice_and_only_held_ones_are_missing(
    steps: list[tuple[int, int, int]],
) -> None:
    table = Table(3)
    for worker, batch, ahead in steps:
        table.step(worker, batch, ahead)
    assert set(table.trained.values()) <= {1}
    held = {
        position
        for worker in range(3)
        for first, size in held_ranges(table.board, worker)
        for position in range(first, first + size)
    }
    if all(len(hand.state_dict()["held"]) <= 4 for hand in table.hands):
        assert set(range(table.board.dealt)) - set(table.trained) <= held


@given(STEPS, st.integers(0, 2))
@settings(max_examples=60)
def test_all_that_a_lost_worker_held_is_trained_on_by_others(
    steps: list[tuple[int, int, int]], lost: int
) -> None:
    table = Table(3)
    for worker, batch, ahead in steps:
        table.step(worker, min(batch, 3), min(ahead, 1))
    dealt = table.board.dealt
    table.lose(lost)
    others = [worker for worker in range(3) if worker != lost]
    for _ in range(dealt + 12):
        table.redealer.deal()
        for worker in others:
            table.step(worker, 3)
    assert not table.redealer.has_ranges
    assert set(range(dealt)) <= set(table.trained)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=40))
def test_what_is_taken_at_once_is_taken_once(steps: list[tuple[int, int]]) -> None:
    table, taken = Table(3), []
    for worker, count in steps:
        for first, size in table.hands[worker].take(count, want=4):
            taken += range(first, first + size)
    assert len(taken) == len(set(taken)) == sum(count for _, count in steps)
    missing = set(range(table.board.dealt)) - set(taken)
    held = [held_ranges(table.board, worker) for worker in range(3)]
    assert missing <= {first + i for ranges in held for first, size in ranges for i in range(size)}


def test_a_range_that_is_waited_for_is_in_the_row_at_once() -> None:
    """Also one of a lost worker: if this worker is lost too, it is given to a third."""
    table = Table(2)
    table.hands[0].take(1, want=4)
    table.lose(0)
    table.redealer.deal()
    late = Hand()
    late.connect(1, Row(table.board.rows[1]), table.board, LateCounter(table.board))
    late.take(1, want=4)
    assert held_ranges(table.board, 1) == [(0, 4)]


def test_other_workers_go_on_where_a_run_stood() -> None:
    before, table = Table(3), Table(2)
    for worker in range(3):
        before.step(worker, batch=2)
    table.redealer.go_on(before.board)
    for _ in range(9):
        table.redealer.deal()
        for worker in range(2):
            table.step(worker, batch=2)
    assert set(range(before.board.dealt)) <= set(before.trained) | set(table.trained)
    assert all(table.trained[position] <= 1 for position in table.trained)


def test_a_range_is_asked_for_before_the_last_one_is_used_up() -> None:
    """The counter has been asked, so that the next range is there when it is needed."""
    table = Table(1)
    table.step(0, batch=1)
    assert table.board.dealt == 6, "the first range of 3, and one more"


def test_a_hand_continues_behind_the_last_sample_trained_on() -> None:
    table = Table(1)
    table.step(0, batch=2, ahead=2)
    saved = table.hands[0].state_dict()
    resumed = table.hand(0)
    resumed.load_state_dict(saved)
    assert [next(p) for p in [resumed.positions(3)] for _ in range(4)] == [2, 3, 4, 5]


def test_a_worker_that_comes_back_does_not_hold_what_others_were_given() -> None:
    """Batches that its loader had read before do not count as those of its new ranges."""
    table = Table(2)
    table.step(0, batch=2, ahead=1)
    table.lose(0)
    table.redealer.deal()
    table.hands[0].drop()
    assert held_ranges(table.board, 0) == []
    table.step(0, batch=2)
    table.step(0, batch=2)
    assert table.hands[0].state_dict()["offset"] == 2


@pytest.mark.parametrize("shuffled", [True, False])
def test_every_pass_of_the_order_has_each_sample_once(shuffled: bool) -> None:
    order = SampleOrder(7, seed=3, shuffled=shuffled)
    passes = [[order.sample(7 * k + i) for i in range(7)] for k in range(4)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert (passes[0] != passes[1]) is shuffled
    assert [SampleOrder(7, 3, shuffled).sample(k) for k in range(28)] == list(np.ravel(passes))
