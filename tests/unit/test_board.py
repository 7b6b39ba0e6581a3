import numpy as np
import pytest

from adsp_mpi.core.actions import Targets
from adsp_mpi.core.board import Board, Presence, Stage
from adsp_mpi.core.row import Row


def test_parts_do_not_overlap_and_fill_the_array() -> None:
    board = Board(3)
    board.header[:] = 1
    board.counters[:] = 2
    board.assigned[:] = 3
    board.rows[:] = 4
    assert (board.data != 0).all()
    assert (board.header == 1).all() and (board.counters == 2).all() and (board.assigned == 3).all()
    assert board.row_offset(2) == len(board.data) - board.rows.shape[1]


def test_targets_come_back_and_raise_the_version() -> None:
    board = Board(2)
    targets = Targets(7, commit_rate=2, check_period_s=1.5, local_steps=4, from_round=3)
    board.targets = targets
    assert board.targets == targets and board.version == 1 and board.stage == Stage.TRAIN


def test_minimum_leaves_out_who_left_and_who_is_lost() -> None:
    board = Board(3)
    board.column("commits")[:] = [1, 5, 9]
    assert board.minimum("commits") == 1
    board.column("presence")[0] = Presence.LEFT
    assert board.minimum("commits") == 5
    board.assigned[1, 0] = 1
    assert board.minimum("commits") == 9
    board.column("presence")[2] = Presence.CLOSED
    assert board.minimum("commits") == np.inf and not board.present.any()


def test_validate_finds_two_commits_in_flight_and_commits_that_never_landed() -> None:
    board = Board(2)
    board.column("begun")[0] = 2
    with pytest.raises(ValueError, match="more than one commit"):
        board.validate()
    board.column("commits")[0] = 2
    with pytest.raises(ValueError, match="2 commits done but 0 landed"):
        board.validate()
    board.counters[0] = 2
    board.validate()


def test_row_knows_its_names_only() -> None:
    row = Row()
    row.steps += 2
    assert row.steps == 2
    with pytest.raises(AttributeError):
        row.stepz = 1
    with pytest.raises(AttributeError):
        _ = row.stepz


def test_board_refuses_an_array_of_another_shape() -> None:
    with pytest.raises(ValueError, match="float64"):
        Board(2, np.zeros(3))
