"""The simulator's board answers as every board does, and knows who has to be woken."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.actions import Targets
from adsp_mpi.core.board import Board, Presence, Stage
from adsp_mpi.sim.board import ANY_COUNT, COUNTS, PRESENCE, STAGE, LiveBoard

WORKERS = 4
workers = st.integers(0, WORKERS - 1)
writes = st.tuples(workers, st.sampled_from(COUNTS), st.integers(0, 5))
presences = st.tuples(workers, st.sampled_from(Presence))
questions = st.sampled_from(COUNTS)


@given(st.lists(st.one_of(writes, presences, questions), max_size=60))
def test_its_minimum_is_that_of_every_board(steps: list) -> None:
    live = LiveBoard(WORKERS)
    plain = Board(WORKERS, live.data)
    for step in steps:
        if isinstance(step, str):
            assert live.minimum(step) == plain.minimum(step) == live.seen
        elif len(step) == 2:
            live.set_presence(*step)
        else:
            live.write(*step)
    for name in COUNTS:
        assert live.minimum(name) == plain.minimum(name)


@given(st.lists(st.one_of(writes, presences), max_size=60))
def test_a_minimum_that_changed_is_told(steps: list) -> None:
    """Who waits asks again when it is woken, so the board knows what everyone has seen."""
    live = LiveBoard(WORKERS)
    for step in steps:
        before = {name: live.minimum(name) for name in COUNTS}
        live.changed.clear()
        if len(step) == 2:
            live.set_presence(*step)
            assert live.changed == {PRESENCE}
        else:
            live.write(*step)
            plain = Board(WORKERS, live.data)
            assert {n for n in COUNTS if plain.minimum(n) != before[n]} <= live.changed


def test_what_workers_write_past_it_is_seen_too() -> None:
    live = LiveBoard(2)
    assert live.minimum("begun") == 0
    live.rows[:] = 3
    live.set_presence(0, Presence.TRAINING)
    live.set_presence(1, Presence.TRAINING)
    assert live.minimum("begun") == 3
    live.column("begun")[:] = 4
    assert live.minimum("begun") == 4


def test_it_knows_which_count_a_decision_asked_for() -> None:
    live = LiveBoard(2)
    for names, asked in [
        (["steps"], "steps"),
        (["steps", "steps"], "steps"),
        (["steps", "rounds"], ANY_COUNT),
        (["rounds", "steps", "rounds"], ANY_COUNT),
        (["begun"], ANY_COUNT),
    ]:
        live.seen, live.asked = math.nan, ANY_COUNT
        for name in names:
            live.minimum(name)
        assert live.asked == asked, names


def test_any_count_is_told_while_somebody_waits_for_that() -> None:
    live = LiveBoard(2)
    live.write(0, "steps", 1)
    assert live.changed == set()
    live.any_count_awaited = True
    live.write(0, "steps", 2)
    assert live.changed == {ANY_COUNT}


@pytest.mark.parametrize("change", ["stage", "targets", "restores"])
def test_what_the_server_says_concerns_everybody_and_stands_in_the_array(change: str) -> None:
    live = LiveBoard(2)
    value = {"stage": Stage.PAUSE, "targets": Targets(3.0, 1.0, 2.0, 4.0), "restores": 2}[change]
    setattr(live, change, value)
    assert live.changed == {STAGE}
    plain = Board(2, live.data)
    for name in ("stage", "targets", "restores", "version"):
        assert getattr(live, name) == getattr(plain, name)
