"""The array of one node: its arithmetic, and its locks when a process dies."""

import mmap
import multiprocessing
import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.mpi.transport.remote_array import Kind
from adsp_mpi.mpi.transport.robust_locks import LOCK_BYTES, RobustLocks
from adsp_mpi.mpi.transport.shared_memory import NotShared, SharedArray

ALONE = SimpleNamespace(rank=0, comm=SimpleNamespace(size=1), allgather=lambda value: [value])


def alone(elements: int, chunk: int) -> SharedArray:
    """An array of a world of one rank."""
    return SharedArray(ALONE, elements, "f8", chunk)  # type: ignore[arg-type]


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(Kind), st.integers(0, 19), st.integers(0, 20), st.integers(-9, 9))
)


@given(chunk=st.integers(1, 25), operations=OPERATIONS)
def test_every_operation_does_what_numpy_does_and_answers_with_what_was_there(
    chunk: int, operations: list[tuple[Kind, int, int, int]]
) -> None:
    array, expected = alone(20, chunk), np.zeros(20)
    for kind, first, count, value in operations:
        place = slice(first, min(first + count, 20))
        values, before = np.full(20, value, float)[place], np.empty(20)[place]
        there = expected[place].copy()
        assert array.start(None if kind == Kind.READ else values, before, first, kind) == []
        if kind != Kind.READ:
            expected[place] = values + (there if kind == Kind.ADD else 0)
        assert (before == there).all() and (array.memory == expected).all()


@given(chunk=st.integers(1, 25), first=st.integers(0, 19), count=st.integers(0, 20))
def test_adding_now_answers_with_the_sum(chunk: int, first: int, count: int) -> None:
    array, start = alone(20, chunk), np.arange(20.0)
    array.store(start)
    place = slice(first, min(first + count, 20))
    values, after = np.full(20, 0.5)[place], np.empty(20)[place]
    array.add_now(values, after, first)
    assert (after == start[place] + 0.5).all()
    start[place] += 0.5
    assert (array.memory == start).all()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.data())
def test_every_rank_cuts_all_of_the_array_and_begins_elsewhere(
    elements: int, chunk: int, ranks: int, data: st.DataObject
) -> None:
    array = alone(40, chunk)
    rank = data.draw(st.integers(0, ranks - 1))
    array.world = SimpleNamespace(rank=rank, comm=SimpleNamespace(size=ranks))  # type: ignore[assignment]
    parts = list(array.parts(elements))
    covered = sorted(i for part in parts for i in range(part.start, part.stop))
    assert covered == list(range(elements))
    assert parts[0].start // chunk == len(parts) * rank // ranks


def test_after_free_it_is_a_clear_error() -> None:
    array = alone(5, 5)
    kept = array.memory
    array.free()
    array.free()
    with pytest.raises(RuntimeError, match="freed"):
        array.memory  # noqa: B018
    assert (kept == 0).all()  # a view that is still held stays valid


def test_where_there_is_no_such_memory_it_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> int:
        raise OSError

    monkeypatch.setattr(os, "memfd_create", none)
    with pytest.raises(NotShared):
        alone(5, 5)


def shared_locks(count: int) -> RobustLocks:
    """Locks in memory that child processes share."""
    locks = RobustLocks(np.frombuffer(mmap.mmap(-1, count * LOCK_BYTES), np.uint8))
    assert locks.initialize()
    return locks


def test_a_killed_holder_leaves_its_lock_to_who_sleeps_there() -> None:
    locks = shared_locks(2)
    fork = multiprocessing.get_context("fork")
    holds, has_it = fork.Event(), fork.Event()
    closes_at_the_end, over = os.pipe()

    def hold() -> None:
        locks.acquire(1)
        os.close(over)
        if os.fork():
            holds.set()
        os.read(closes_at_the_end, 1)  # a child of its own, as a data loader has, lives on
        os._exit(0)

    def wait() -> None:
        locks.acquire(1)
        locks.release(1)
        has_it.set()

    holder, waiter = fork.Process(target=hold), fork.Process(target=wait)
    holder.start()
    assert holds.wait(10)
    waiter.start()
    locks.acquire(0)  # another lock is free meanwhile
    assert not has_it.wait(0.1)
    holder.kill()
    assert has_it.wait(10)
    waiter.join()
    os.close(over)
    locks.acquire(1)
    locks.release(1)


def test_threads_exclude_each_other() -> None:
    locks, seen = shared_locks(1), []
    locks.acquire(0)

    def other() -> None:
        locks.acquire(0)
        seen.append("other")
        locks.release(0)

    thread = threading.Thread(target=other)
    thread.start()
    seen.append("first")
    locks.release(0)
    thread.join()
    assert seen == ["first", "other"]
