"""Two workers with constant step times, worked out by hand."""

from pathlib import Path

import pytest

from tests.unit.simulated import Played, play, profile_of


def starts(rows, column: str = "start_s") -> list[float]:
    return rows[column].tolist()


def test_bsps_rounds_take_the_slowest_step_and_its_commit(tmp_path: Path) -> None:
    """Steps of 1 and 2 s, commits of 0.5 s: a round is over, and pulled, every 2.5 s."""
    run = play(tmp_path, "bsp", profile_of([1.0, 2.0], 0.5), stop={"max_steps": 3})
    for worker, step_s in enumerate([1.0, 2.0]):
        rounds = [0.0, 2.5, 5.0]
        assert starts(run.table(f"workers/{worker}/steps")) == rounds
        commits = run.table(f"workers/{worker}/commits")
        assert starts(commits, "begun_s") == [begin + step_s for begin in rounds]
        assert starts(commits, "done_s") == [begin + step_s + 0.5 for begin in rounds]
        assert commits["blocked_s"].tolist() == [0.5] * 3
        assert commits["staleness"].tolist() == [worker] * 3, "the fast one lands first"
        assert starts(run.table(f"workers/{worker}/pulls")) == [2.5, 5.0, 7.5]
    fast, slow = run.tables("waits")
    assert [tuple(row)[:3] for row in fast] == [(t, 1.0, b"others' commits") for t in (1.5, 4, 6.5)]
    assert not len(slow)
    assert run.result.report.reason == "every worker took its last step"
    assert run.result.report.seconds == 7.5


def test_a_round_of_local_steps(tmp_path: Path) -> None:
    """Three steps of 1 and 2 s without a delay: rounds of 6 s; the seventh step is left over."""
    run = play(
        tmp_path, "fixed-adacomm", profile_of([1.0, 2.0]),
        sync={"local_steps": 3}, stop={"max_steps": 7},
    )  # fmt: skip
    assert starts(run.table("workers/0/steps")) == [0, 1, 2, 6, 7, 8, 12]
    assert starts(run.table("workers/1/steps")) == [0, 2, 4, 6, 8, 10, 12]
    for commits in run.tables("commits"):
        assert commits["steps"].tolist() == [3, 3]
    assert starts(run.table("workers/0/commits"), "begun_s") == [3, 9]
    assert starts(run.table("workers/1/commits"), "begun_s") == [6, 12]


@pytest.mark.parametrize("delay_s", [0.0, 1.0])
def test_adsps_commits_are_done_when_they_are_due(tmp_path: Path, delay_s: float) -> None:
    """Two commits in every 10 s, due at 5 and 10: a commit begins between two steps, so that it is
    done by then though the next step came first. What a commit takes is known after the first."""
    run = play(
        tmp_path, "adsp-fixed", profile_of([1.0, 3.0], delay_s),
        sync={"check_period_s": 10.0, "commit_rate": 2}, stop={"max_seconds": 20.5},
    )  # fmt: skip
    fast, slow = run.tables("commits")
    later = {0.0: ([9, 14, 19], [9, 12, 18]), 1.0: ([8, 13, 18], [6, 12, 18])}[delay_s]
    assert starts(fast, "begun_s") == [4, *later[0]]
    assert starts(slow, "begun_s") == [3, *later[1]]
    for commits in (fast, slow):
        assert (commits["done_s"] == commits["begun_s"] + delay_s).all()
        assert (commits["blocked_s"] == 0).all()
    assert not any(map(len, run.tables("waits")))
    assert starts(run.table("workers/0/steps")) == list(range(21))


def test_ssp_waits_for_the_slowest(tmp_path: Path) -> None:
    """s = 2, steps of 1 and 3 s: the fast one is two steps ahead at 2 s, and again every 3 s."""
    run = play(
        tmp_path, "ssp", profile_of([1.0, 3.0]), sync={"staleness": 2}, stop={"max_seconds": 10.5}
    )
    assert starts(run.table("workers/0/steps")) == [0, 1, 3, 6, 9]
    assert starts(run.table("workers/1/steps")) == [0, 3, 6, 9]
    waits = run.table("workers/0/waits")
    assert [tuple(row)[:2] for row in waits] == [(2, 1), (4, 2), (7, 2), (10, 0.5)]
    assert waits["seen"].tolist() == [0, 1, 2, 3] and not len(run.table("workers/1/waits"))


def flight(run: Played) -> list[tuple[float, float, int]]:
    rows = run.table("workers/0/commits")
    return [(r["begun_s"], r["done_s"], r["steps"]) for r in rows]


def test_steps_go_on_while_a_commit_is_under_way(tmp_path: Path) -> None:
    """ASP, steps of 1 s, commits of 2.5 s: what comes during a commit goes into the next one."""
    run = play(tmp_path, "asp", profile_of([1.0], 2.5), stop={"max_steps": 8})
    assert starts(run.table("workers/0/steps")) == list(range(8))
    assert flight(run) == [(1, 3.5, 1), (4, 6.5, 3), (7, 9.5, 3), (9.5, 12, 1)]
    assert run.result.report.seconds == 12


def test_steps_wait_for_a_commit_that_blocks(tmp_path: Path) -> None:
    run = play(
        tmp_path, "asp", profile_of([1.0], 2.5),
        sync={"blocking_commits": True}, stop={"max_steps": 3},
    )  # fmt: skip
    assert starts(run.table("workers/0/steps")) == [0, 3.5, 7]
    assert flight(run) == [(1, 3.5, 1), (4.5, 7, 1), (8, 10.5, 1)]
    (worker,) = run.result.report.workers
    assert (worker.computing_share, worker.committing_share) == (3 / 10.5, 7.5 / 10.5)


def test_commits_that_share_the_server_take_longer(tmp_path: Path) -> None:
    """64 bytes each over 64 bytes/s: 1 s alone, 2 s for two that begin together."""
    run = play(
        tmp_path, "asp", profile_of([1.0, 1.0]),
        sync={"blocking_commits": True}, stop={"max_steps": 2},
        simulate={"server_bandwidth_mb_s": 64e-6},
    )  # fmt: skip
    for commits in run.tables("commits"):
        assert starts(commits, "begun_s") == [1, 4] and starts(commits, "done_s") == [3, 6]
        assert commits["sent_bytes"].tolist() == [64, 64]


def test_the_lag_counts_the_commits_of_others_in_between(tmp_path: Path) -> None:
    """A commit every second until 7 s, and one at 2.4, 4.8 and 7.2 s."""
    run = play(tmp_path, "asp", profile_of([1.0, 2.4]), stop={"max_seconds": 7.8})
    fast, slow = run.tables("commits")
    assert slow["staleness"].tolist() == [2, 2, 3]
    assert fast["staleness"].tolist() == [0, 0, 1, 0, 1, 0, 0]
