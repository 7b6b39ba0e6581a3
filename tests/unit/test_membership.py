"""Which workers are given up or admitted, and with which counts: on a board, by hand."""

import numpy as np
import pytest

from adsp_mpi.core.board import Board, Presence
from adsp_mpi.core.membership import Changes, Membership
from adsp_mpi.core.patience import LOOK_AT_MOST_S, Process


def board_of(workers: int, steps: int = 10, longest_s: float = 1.0) -> Board:
    board = Board(workers)
    board.column("steps")[:] = steps
    board.column("longest_s")[:] = longest_s
    board.column("heartbeat_s")[:] = board.column("acted_s")[:] = 1.0
    board.assignment("share")[:] = np.arange(workers)
    return board


def let_pass(
    members: Membership,
    board: Board,
    from_s: float,
    to_s: float,
    acts: list[int],
    beats: list[int] | None = None,
    processes: np.ndarray | None = None,
) -> Changes:
    """Look four times a second while `acts` go on and the hearts of `beats` beat too."""
    seen = Changes([], [], [])
    for now in np.arange(from_s, to_s, 0.25):
        board.column("acted_s")[acts] = now
        board.column("heartbeat_s")[acts + (beats or [])] = now
        changes = members.look(float(now), processes)
        for name in ("lost", "slow", "recovered"):
            getattr(seen, name).extend(getattr(changes, name))
    return seen


def test_a_worker_that_is_alive_is_slow_and_never_lost() -> None:
    board = board_of(3)
    board.column("longest_s")[2] = 3.0
    members = Membership(board, 3)
    assert let_pass(members, board, 2.0, 6.9, [0], beats=[1, 2]) == Changes([], [], [])
    assert let_pass(members, board, 7.0, 8.0, [0], beats=[1, 2]) == Changes([], [1], [])
    assert list(members.slow) == [False, True, False]
    assert let_pass(members, board, 8.0, 500.0, [0], beats=[1, 2]) == Changes([], [2], [])
    assert board.present.all(), "rounds still wait for it"
    assert let_pass(members, board, 500.0, 501.0, [0, 1], beats=[2]) == Changes([], [], [1])


def test_a_worker_without_a_heartbeat_is_not_slow_but_lost() -> None:
    board = board_of(2)
    members = Membership(board, 2)
    assert let_pass(members, board, 2.0, 17.25, [0]) == Changes([], [], [])
    assert let_pass(members, board, 17.25, 20.0, [0]) == Changes([1], [], [])
    assert list(board.lost) == [False, True] and not members.slow.any()


def test_what_is_seen_of_a_process_decides_how_long_its_silence_may_last() -> None:
    board = board_of(5)
    seen = np.array([Process.RUNNING, Process.RUNNING, Process.DEAD, Process.STOPPED, 0])
    members = Membership(board, 5)
    lost_s = {}
    for now in np.arange(1.0, 80.0, 0.25):
        board.column("heartbeat_s")[0] = board.column("acted_s")[0] = now
        lost_s |= {worker: now - 1.0 for worker in members.look(float(now), seen).lost}
    assert lost_s == {2: 1.25, 3: 5.25, 4: 15.25, 1: 60.25}


def test_a_look_that_comes_late_is_no_silence() -> None:
    board = board_of(2)
    members = Membership(board, 2)
    members.look(1.0)
    for now in (100.0, 200.0, 300.0):
        assert members.look(now) == Changes([], [], [])
    assert members.silent_s[0] == pytest.approx(3 * LOOK_AT_MOST_S)


def test_first_steps_may_take_long_and_who_has_closed_may_be_silent() -> None:
    board = board_of(3, steps=0, longest_s=0.1)
    board.column("presence")[1] = Presence.GONE
    members = Membership(board, 3)
    assert let_pass(members, board, 1.0, 60.0, [0], beats=[2]) == Changes([], [], [])
    assert let_pass(members, board, 60.0, 70.0, [0], beats=[2]) == Changes([], [2], [])


def test_the_end_of_a_run_waits_a_minute_for_a_loop_that_hangs() -> None:
    board = board_of(2)
    members = Membership(board, 2)
    let_pass(members, board, 2.0, 100.0, [0], beats=[1])
    assert board.present.all()
    members.release()
    assert let_pass(members, board, 100.0, 101.0, [0], beats=[1]).lost == [1]


def test_who_is_back_comes_before_a_spare_and_gets_its_share_again() -> None:
    board = board_of(4)
    board.assignment("share")[3], board.assignment("lost")[3] = -1, 1
    board.column("steps")[3] = 0
    members = Membership(board, 3)
    let_pass(members, board, 2.0, 18.0, [0, 2, 3])
    assert list(board.lost) == [False, True, False, True]
    assert members.candidate() == 3
    let_pass(members, board, 18.0, 19.0, [0, 1, 2, 3])
    assert members.candidate() == 1
    members.assign(1)
    assert board.assignment("share")[1] == 1
    board.assignment("lost")[1] = 0
    assert members.candidate() is None


def test_a_spare_takes_the_share_and_counts_of_the_slowest_of_the_others() -> None:
    board = board_of(4)
    board.assignment("share")[3] = -1
    board.assignment("lost")[[1, 3]] = 1
    for name, counts in {
        "steps": [30, 99, 20, 0], "commits": [7, 9, 6, 0],
        "rounds": [6, 9, 6, 0], "pulls": [5, 9, 6, 0],
    }.items():  # fmt: skip
        board.column(name)[:] = counts
    Membership(board, 3).assign(3)
    said = {n: int(board.assignment(f"from_{n}")[3]) for n in ("steps", "commits", "rounds")}
    assert said == {"steps": 20, "commits": 6, "rounds": 6}
    assert board.assignment("from_pulls")[3] == 5 and board.assignment("share")[3] == 1
    assert board.assignment("admitted")[3] == 1


def test_the_last_one_goes_on_from_its_own_counts() -> None:
    board = board_of(2)
    board.assignment("lost")[:] = 1
    Membership(board, 2).assign(1)
    assert board.assignment("from_steps")[1] == 10


def test_at_the_end_who_lives_is_waited_for() -> None:
    board = board_of(3)
    members = Membership(board, 3)
    let_pass(members, board, 1.0, 18.0, [0])
    let_pass(members, board, 18.0, 19.0, [0, 1])
    members.release()
    assert list(board.lost) == [False, False, True]


def test_commits_that_were_given_are_not_counted_as_made() -> None:
    board = board_of(2)
    board.column("commits")[:] = board.column("begun")[:] = [5, 5]
    board.column("excused_commits")[1] = 4
    board.counters[0] = 6
    board.validate()
    board.counters[0] = 5
    with pytest.raises(ValueError, match="6 commits done but 5 landed"):
        board.validate()
