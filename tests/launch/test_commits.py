"""The window and the commit path, seen from what must hold afterwards."""

import json
from pathlib import Path

import pytest

from tests.launch.launcher import PROGRAMS, launch


@pytest.mark.parametrize("kind", ["window", "served"])
@pytest.mark.parametrize("elements", [1000, 200_000])
def test_no_commit_is_lost_or_doubled(tmp_path: Path, elements: int, kind: str) -> None:
    arguments = (str(elements), "3", kind)
    run = launch(8, "-m", "tests.mpi.stress_commits", *arguments, cwd=PROGRAMS.parents[1])
    assert run.code == 0, run.err
    facts = json.loads(run.out)
    assert facts["wrong"] == 0
    assert facts["begun"] == facts["commits"] and sum(facts["commits"]) == facts["landed"]
    assert len(facts["commits"]) == 7 and min(facts["commits"]) > 10
    assert run.error_lines == []
