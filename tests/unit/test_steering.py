"""When the global model is evaluated, in virtual time."""

from pathlib import Path
from typing import Any

import pytest

from adsp_mpi.core.actions import Run, Targets
from adsp_mpi.core.board import Board
from adsp_mpi.core.scheduler import is_late, put_on_board
from adsp_mpi.sim.quadratic import Quadratic
from tests.unit.simulated import play, profile_of

EVALUATIONS_S = 0.1


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The losses of the evaluations that were computed."""
    losses: list[float] = []
    original = Quadratic.evaluate

    def evaluate(problem: Quadratic) -> dict[str, float]:
        metrics = original(problem)
        losses.append(metrics["loss"])
        return metrics

    monkeypatch.setattr(Quadratic, "evaluate", evaluate)
    return losses


def test_a_model_in_which_nothing_landed_is_not_evaluated_again(
    tmp_path: Path, evaluated: list[float]
) -> None:
    """Both workers' commits land once a second, at the same moment; 10 rows a second."""
    run = play(
        tmp_path, "asp", profile_of([1.0, 1.0]),
        eval={"period_s": EVALUATIONS_S}, stop={"max_seconds": 10.05},
    )  # fmt: skip
    rows = run.table("ps/evals")
    assert len(rows) >= 100
    different = {(row["landed"], row["loss"]) for row in rows}
    assert len(evaluated) == len(different) <= 12
    assert set(evaluated) == {loss for _, loss in different}


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "adsp-plus", "trial_rates": [1, 2], "trial_periods": 1},
        {"model": "adsp", "outer": "nesterov:0.5"},
    ],
)
def test_a_model_that_rank_0_changed_is_evaluated_again(
    tmp_path: Path, evaluated: list[float], settings: dict[str, Any]
) -> None:
    """What is recorded is what an evaluation of every row would have given."""
    settings = {"check_period_s": 2.0, **settings}
    model = settings.pop("model")
    sections = {"sync": settings, "eval": {"period_s": EVALUATIONS_S}, "stop": {"max_seconds": 20}}
    for name in ("some", "every"):
        (tmp_path / name).mkdir()
    losses = play(tmp_path / "some", model, profile_of([0.5, 0.7]), **sections).table("ps/evals")
    some, evaluated[:] = len(evaluated), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adsp_mpi.core.steering.Steering._judge", lambda s: s._engine.judge())
        every = play(tmp_path / "every", model, profile_of([0.5, 0.7]), **sections)
    assert len(evaluated) == len(losses) > some
    assert (every.table("ps/evals") == losses).all()


class Overtaken(Board):
    """A board whose workers do `rounds` rounds just before rank 0 writes new targets."""

    rounds = 0

    @property
    def targets(self) -> Targets:
        return super().targets

    @targets.setter
    def targets(self, targets: Targets) -> None:
        self.column("rounds")[:] += self.rounds
        Board.targets.__set__(self, targets)


@pytest.mark.parametrize(("rounds", "late"), [(0, False), (1, False), (2, True)])
def test_a_plan_is_late_if_its_first_round_may_have_begun_before_it_was_there(
    rounds: int, late: bool
) -> None:
    """The plan is for the second round after the latest: 9, if 7 are done."""
    board = Overtaken(2)
    put_on_board(Run(Targets(local_steps=4), 1.0), board, paused=True)
    board.column("rounds")[:] = 7
    before, board.rounds = board.targets, rounds
    assert put_on_board(Run(Targets(local_steps=2), 1.0), board, paused=False)
    assert board.targets.from_round == 9
    assert is_late(before, board) is late
