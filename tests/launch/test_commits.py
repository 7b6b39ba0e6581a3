"""The window and the commit path, seen from what must hold afterwards."""

import json
import time

from tests.launch.faults import surviving
from tests.launch.launcher import PROGRAMS, finish, launch, start_command

RANKS = 6
MODELS = (
    *("1:usual:1000", "1:messages:1000", "1:window:1000", "1:usual:200000", "1:messages:200000"),
    *("2:usual:200000", "3:usual:200000", "3:messages:200000"),
)


def test_no_commit_is_lost_or_doubled() -> None:
    program = ("-m", "tests.mpi.stress_commits", "1.5", *MODELS)
    run = launch(RANKS, *program, cwd=PROGRAMS.parents[1])
    assert run.code == 0 and run.error_lines == [], run.err
    lines = run.out.splitlines()[: len(MODELS)]  # UCX may have a word about its caches at the end
    for model, facts in zip(MODELS, map(json.loads, lines), strict=True):
        assert facts["wrong"] == 0, model
        assert facts["begun"] == facts["commits"] and sum(facts["commits"]) == facts["landed"]
        assert len(facts["commits"]) == RANKS - int(model[0]) and min(facts["commits"]) > 10


def test_workers_killed_inside_large_commits_hold_up_nobody_and_spoil_no_sum() -> None:
    program = ["-m", "tests.mpi.killed_in_commit", "1960000", "3", "1"]
    process = start_command(*surviving(program, size=6), PROGRAMS.parents[1])
    run = finish(process, time.monotonic(), 60)
    assert run.code == 0 and "do not go on" not in run.err, run.err
    facts = json.loads(run.out.splitlines()[0])
    assert facts["torn"] and facts["wrong"] == 0
    assert 0 <= facts["landed"] - sum(facts["commits"]) <= len(facts["torn"])
