"""Who waits in virtual time is woken when what it waits for has come, and not before."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from adsp_mpi.core.actions import Commit, Step, Wait
from adsp_mpi.core.models.base import SyncModel
from tests.unit.simulated import play, profile_of

HERE = "tests.unit.test_sim_waits"


@dataclass(frozen=True)
class Rests(SyncModel):
    """`rest_s` between the begin of two steps."""

    rest_s: float = 5.0

    def next_action(self, now, me, board):
        begins_s = me.steps * self.rest_s
        return Step() if now >= begins_s else Wait("a rest", begins_s)


@dataclass(frozen=True)
class Spaced(SyncModel):
    """Commits once a second, and computes how long that is from when the last one began."""

    def next_action(self, now, me, board):
        if now - me.last_commit_begun_s >= 1.0:
            return Commit() if me.steps_since_commit else Step()
        return Wait("the next second", me.last_commit_begun_s + 1.0)


@dataclass(frozen=True)
class Both(SyncModel):
    """Never ahead of anybody in steps nor in commits."""

    def next_action(self, now, me, board):
        if me.steps_since_commit and not me.in_flight:
            return Commit()
        lowest = min(board.minimum("commits"), board.minimum("steps"))
        return Step() if lowest >= me.steps else Wait("all counts")


@dataclass(frozen=True)
class Begun(SyncModel):
    """Worker 1 commits 4 s after the begin of a step, worker 0 steps when that has begun."""

    def next_action(self, now, me, board):
        if me.index:
            due_s = 4.0 * me.steps
            if not me.steps_since_commit or me.in_flight:
                return Step()
            return Commit() if now >= due_s else Wait("the time", due_s)
        begun = me.steps_since_commit and not me.in_flight
        if begun:
            return Commit()
        return Step() if board.minimum("begun") >= me.steps else Wait("all begun")


@dataclass(frozen=True)
class AnyRow(SyncModel):
    """Worker 1 steps once worker 0 has done three steps: it looks at that row alone."""

    def next_action(self, now, me, board):
        if me.index and board.column("steps")[0] < 3 * (me.steps + 1):
            return Wait("three steps of worker 0")
        return Step()


def starts(run, worker: int) -> list[float]:
    return run.table(f"workers/{worker}/steps")["start_s"].tolist()


@pytest.mark.parametrize("period_s", [0.5, 700.0])
def test_it_wakes_at_the_second_it_named(tmp_path: Path, period_s: float) -> None:
    """However seldom or often the server looks meanwhile."""
    run = play(
        tmp_path, f"{HERE}:Rests", profile_of([1.0, 2.5]),
        eval={"period_s": period_s}, sync={"check_period_s": period_s}, stop={"max_steps": 4},
    )  # fmt: skip
    assert starts(run, 0) == starts(run, 1) == [0, 5, 10, 15]
    waits = run.table("workers/1/waits")
    rests = [(2.5, 2.5), (7.5, 2.5), (12.5, 2.5), (17.5, 2.5)]
    assert [tuple(row)[:2] for row in waits] == rests and set(waits["reason"]) == {b"a rest"}


def test_a_long_rest_is_no_deadlock(tmp_path: Path) -> None:
    run = play(
        tmp_path, f"{HERE}:Rests", profile_of([1.0]),
        sync={"rest_s": 5000.0}, eval={"period_s": 1.0}, stop={"max_steps": 3},
    )  # fmt: skip
    assert starts(run, 0) == [0, 5000, 10000]


def test_a_second_that_rounding_misses_is_no_deadlock(tmp_path: Path) -> None:
    """(a + 1) - a is less than 1 for many a: then the worker is woken a moment later."""
    run = play(
        tmp_path, f"{HERE}:Spaced", profile_of([0.1, 0.3, 0.37]), stop={"max_seconds": 300.0}
    )
    for commits in run.tables("commits"):
        assert len(commits) > 200
        assert (np.diff(commits["begun_s"]) >= 1).all()


def test_who_looks_at_two_counts_is_woken_by_either(tmp_path: Path) -> None:
    """A commit of worker 0 takes 3 s, a step of worker 1 takes 5."""
    run = play(
        tmp_path, f"{HERE}:Both", profile_of([1.0, 5.0], [3.0, 1.0]), stop={"max_seconds": 29.0}
    )
    assert starts(run, 0) == starts(run, 1) == [0, 6, 12, 18, 24]


def test_who_looks_at_one_row_is_woken_by_its_change(tmp_path: Path) -> None:
    run = play(tmp_path, f"{HERE}:AnyRow", profile_of([1.0, 0.5]), stop={"max_seconds": 10.5})
    assert starts(run, 1) == [3, 6, 9]


def test_who_looks_at_begun_commits_is_woken_when_one_begins(tmp_path: Path) -> None:
    """Worker 1 begins its first commit at 4 s, and no step of its ends then."""
    run = play(
        tmp_path, f"{HERE}:Begun", profile_of([1.0, 2.0], [0.0, 3.0]), stop={"max_seconds": 9.5}
    )
    assert starts(run, 0)[:2] == [0, 4]


def test_who_waits_commits_when_its_own_commit_has_landed(tmp_path: Path) -> None:
    """SSP with s = 2, steps of 1 and 100 s, commits of 1.5 s: the fast worker's second commit
    begins while it waits for the slow one."""
    run = play(
        tmp_path, "ssp", profile_of([1.0, 100.0], [1.5, 0.0]),
        sync={"staleness": 2, "check_period_s": 500.0}, stop={"max_seconds": 99.0},
    )  # fmt: skip
    commits = run.table("workers/0/commits")
    assert commits["begun_s"].tolist() == [1, 2.5] and commits["done_s"].tolist() == [2.5, 4]
