"""The window and the commit path, seen from what must hold afterwards."""

import json

import pytest

from tests.launch.launcher import PROGRAMS, launch


@pytest.mark.parametrize(
    ("elements", "kind", "servers"),
    [
        (1000, "window", 1),
        (1000, "served", 1),
        (200_000, "window", 1),
        (200_000, "served", 1),
        (200_000, "window", 2),
        (200_000, "window", 3),
        (200_000, "served", 3),
    ],
)
def test_no_commit_is_lost_or_doubled(elements: int, kind: str, servers: int) -> None:
    arguments = (str(elements), "3", kind, str(servers))
    run = launch(7 + servers, "-m", "tests.mpi.stress_commits", *arguments, cwd=PROGRAMS.parents[1])
    assert run.code == 0, run.err
    facts = json.loads(run.out.splitlines()[0])  # UCX may have a word about its caches at the end
    assert facts["wrong"] == 0
    assert facts["begun"] == facts["commits"] and sum(facts["commits"]) == facts["landed"]
    assert len(facts["commits"]) == 7 and min(facts["commits"]) > 10
    assert run.error_lines == []
