"""BSP's two counters are a barrier under every interleaving."""

from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.actions import Commit, Pull, Step, Wait
from adsp_mpi.core.board import Board, Presence
from adsp_mpi.core.models import make_model
from adsp_mpi.core.models.bsp import Bsp
from adsp_mpi.core.worker_state import WorkerState


class Play:
    """Workers that act in any order; the model is the list of rounds committed into it."""

    def __init__(self, num_workers: int) -> None:
        self.model: list[int] = []
        self.bsp = Bsp()
        self.board = Board(num_workers)
        self.me = [WorkerState(i) for i in range(num_workers)]
        self.pulled: list[list[int]] = [[] for _ in self.me]

    def act(self, i: int) -> None:
        me = self.me[i]
        action = self.bsp.next_action(0.0, me, self.board)
        if isinstance(action, Step):
            me.stepped()
        elif isinstance(action, Commit):
            me.commit_begun(0.0)
            me.commit_done()
            self.model.append(me.commits)
            self.board.column("commits")[i] = me.commits
        elif isinstance(action, Pull):
            me.pulled()
            self.pulled[i].append(len(self.model))
            self.board.column("pulls")[i] = me.pulls


@given(st.integers(1, 5).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1)))))
def test_rounds_never_mix(case: tuple[int, list[int]]) -> None:
    num_workers, order = case
    play = Play(num_workers)
    for i in order:
        play.act(i)
    assert play.model == sorted(play.model)
    for pulls in play.pulled:
        assert pulls == [num_workers * (r + 1) for r in range(len(pulls))]


def test_one_round_by_hand() -> None:
    play = Play(2)
    play.act(0)
    assert play.me[0].steps == 1
    play.act(0)
    assert play.me[0].commits == 1
    assert play.bsp.next_action(0.0, play.me[0], play.board) == Wait("others' commits")
    play.act(1)
    play.act(1)
    play.act(0)
    assert play.me[0].pulls == 1
    play.act(0)
    assert play.me[0].steps == 2
    assert play.bsp.next_action(0.0, play.me[0], play.board) == Wait("others' pulls")
    play.act(1)
    assert play.bsp.next_action(0.0, play.me[0], play.board) == Commit()


def test_a_worker_that_left_holds_up_nobody() -> None:
    play = Play(2)
    play.act(0)
    play.act(0)
    play.board.column("presence")[1] = Presence.LEFT
    assert play.bsp.next_action(0.0, play.me[0], play.board) == Pull()


def test_bsp_cannot_be_asked_not_to_wait_for_its_commit() -> None:
    try:
        make_model("bsp", {"blocking_commits": False})
    except ValueError as error:
        assert "blocking_commits" in str(error)
    else:
        raise AssertionError
