"""Ranks that fail or leave where the others do not: everybody is told, nobody hangs."""

import json
from pathlib import Path

import pytest

from tests.launch.launcher import PROGRAMS, launch

ELSEWHERE = "Elsewhere: the run has failed; another rank tells why"


@pytest.mark.parametrize(
    "how", ["raises", pytest.param("exits", marks=pytest.mark.one_mpi_is_enough)]
)
def test_train_raises_on_every_rank_and_who_leaves_is_told(tmp_path: Path, how: str) -> None:
    run = launch(3, str(PROGRAMS / "leaving.py"), how, cwd=tmp_path, limit_s=60)
    raised = dict(json.loads(line) for line in run.out.splitlines() if line.startswith("["))
    in_model, in_loss = raised["exits in the model"], raised["exits in the loss"]
    assert (
        in_model[0].startswith("AdspError: rank 1 on ") and "sys.exit(7) was called" in in_model[0]
    )
    assert in_model[1:] == [ELSEWHERE, ELSEWHERE]
    assert in_loss[0] == in_loss[2] == ELSEWHERE
    assert "worker 0 (rank 1 on" in in_loss[1] and "sys.exit(None) was called" in in_loss[1]
    assert raised["good"] == ["", "", ""], "a run after failed ones"
    assert run.code == 1
    why = "ValueError: before the run" if how == "raises" else "its program is over"
    left = "adsp_mpi: error: rank 1 has left the program where the others began a run: "
    told = [line for line in run.error_lines if line.startswith("adsp_mpi: error:")]
    expected = ["adsp_mpi: error: rank 1: ValueError: before the run"] * (how == "raises")
    assert sorted(told) == sorted([left + why, *expected]), run.err
    assert run.err.count("Traceback") == (how == "raises"), run.err
