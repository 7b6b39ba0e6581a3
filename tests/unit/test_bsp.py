"""The two counters of the round models are a barrier under every interleaving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.actions import Commit, Pull, Wait
from adsp_mpi.core.board import Presence
from adsp_mpi.core.models import make_model
from adsp_mpi.core.models.bsp import Bsp
from tests.unit.play import Play

orders = st.integers(1, 5).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1), max_size=300))
)


@given(st.sampled_from(["bsp", "fixed-adacomm", "wbsp"]), orders)
def test_rounds_never_mix(name: str, case: tuple[int, list[int]]) -> None:
    num_workers, order = case
    options = {"local_steps": 2} if name == "fixed-adacomm" else {}
    play = Play(make_model(name, options), num_workers)
    for i in order:
        play.act(i)
    rounds = [r for _, r in play.model]
    assert rounds == sorted(rounds)
    for pulls in play.pulled:
        assert pulls == [num_workers * (r + 1) for r in range(len(pulls))]
    assert name != "wbsp" or play.waits == 0


def test_one_round_by_hand() -> None:
    play = Play(Bsp(), 2)
    play.act(0)
    assert play.me[0].steps == 1
    play.act(0)
    assert play.me[0].commits == 1
    assert play.decide(0) == Wait("others' commits")
    play.act(1)
    play.act(1)
    play.act(0)
    assert play.me[0].pulls == 1
    play.act(0)
    assert play.me[0].steps == 2
    assert play.decide(0) == Wait("others' pulls")
    play.act(1)
    assert play.decide(0) == Commit()


def test_a_worker_that_left_holds_up_nobody() -> None:
    play = Play(Bsp(), 2)
    play.act(0)
    play.act(0)
    play.board.column("presence")[1] = Presence.LEFT
    assert play.decide(0) == Pull()


@pytest.mark.parametrize("name", ["bsp", "fixed-adacomm", "adacomm", "batchtune-bsp", "wbsp"])
def test_rounds_cannot_do_without_blocking_commits(name: str) -> None:
    with pytest.raises(ValueError, match="blocking_commits"):
        make_model(name, {"blocking_commits": False})
