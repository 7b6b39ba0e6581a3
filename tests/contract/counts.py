"""Checks that the counts on the board, in the trace and in the model agree, for every run on
either engine."""

import numpy as np

from tests.contract.engines import Run

WITHOUT_PULLS = ("asp", "ssp", "adsp", "adsp-fixed")


def ends(steps: np.ndarray) -> np.ndarray:
    """The times at which each step ended."""
    return steps["start_s"] + (steps["compute_s"] + steps["sleep_s"])


def before(times: np.ndarray, now: float) -> int:
    return int((times <= now).sum())


def commits_go_one_at_a_time(run: Run) -> None:
    for commits in run.tables("commits"):
        assert list(commits["number"]) == list(range(1, len(commits) + 1))
        assert (commits["begun_s"] <= commits["done_s"]).all()
        assert (commits["done_s"][:-1] <= commits["begun_s"][1:]).all()
        assert (commits["staleness"] >= 0).all()


def the_last_evaluation_sees_every_step_and_commit(run: Run) -> None:
    last = run.table("ps/evals")[-1]
    assert last["landed"] == sum(map(len, run.tables("commits")))
    assert last["steps"] == sum(map(len, run.tables("steps")))


def every_evaluation_counts_what_had_landed(run: Run) -> None:
    """An evaluation counts all commits done before it, and none begun after it."""
    commits = np.concatenate(run.tables("commits"))
    for row in run.table("ps/evals"):
        now, until = row["time_s"], row["time_s"] + row["duration_s"]
        assert before(commits["done_s"], now - run.clock_s) <= row["landed"]
        assert row["landed"] <= before(commits["begun_s"], until + run.clock_s)


def the_scheduler_sees_what_the_workers_did(run: Run) -> None:
    """Under MPI a worker's steps appear on the board a little later; in virtual time at once."""
    commits, step_ends = run.tables("commits"), [ends(steps) for steps in run.tables("steps")]
    times = run.table("ps/observed")["time_s"]
    for row in run.table("ps/observed_workers"):
        now, worker = times[row["observation"]], row["worker"]
        assert before(commits[worker]["done_s"], now - run.clock_s) <= row["commits"]
        assert row["commits"] <= before(commits[worker]["begun_s"], now + run.clock_s)
        stepped = before(step_ends[worker], now + run.clock_s)
        assert row["steps"] <= stepped
        assert run.engine == "mpi" or row["steps"] == stepped


def nothing_is_committed_twice_or_never_learnt(run: Run) -> None:
    """A commit holds the steps since the last one, without those that a restore has undone."""
    waits = run.tables("waits")
    snapshots = any((rows["reason"] == b"snapshot").any() for rows in waits)
    for steps, commits in zip(run.tables("steps"), run.tables("commits"), strict=True):
        begun = np.searchsorted(steps["start_s"], commits["begun_s"], "left")
        held = np.diff(np.concatenate([[0], begun]))
        assert (commits["steps"] <= held).all()
        assert snapshots or list(commits["steps"]) == list(held)


def every_commit_has_its_own_place_in_the_order_of_landing(run: Run) -> None:
    """Without pulls a commit's base is the worker's last commit: the lag tells the place."""
    if run.name not in WITHOUT_PULLS:
        return
    places = np.concatenate([np.cumsum(c["staleness"] + 1) for c in run.tables("commits")])
    assert sorted(places) == list(range(1, len(places) + 1)), "one is lost or counted twice"
    commits = np.concatenate(run.tables("commits"))[np.argsort(places)]
    earliest_done_s = np.minimum.accumulate(commits["done_s"][::-1])[::-1]
    assert (commits["begun_s"] <= earliest_done_s + run.clock_s).all()
    assert run.engine == "mpi" or (np.diff(commits["done_s"]) >= 0).all()


def time_goes_forward(run: Run) -> None:
    recording = run.recording
    for path, rows in recording.tables.items():
        for column in ("time_s", "start_s", "begun_s", "done_s"):
            if column in (rows.dtype.names or ()):
                assert (np.diff(rows[column]) >= 0).all(), (path, column)


CHECKS = (
    commits_go_one_at_a_time,
    the_last_evaluation_sees_every_step_and_commit,
    every_evaluation_counts_what_had_landed,
    the_scheduler_sees_what_the_workers_did,
    nothing_is_committed_twice_or_never_learnt,
    every_commit_has_its_own_place_in_the_order_of_landing,
    time_goes_forward,
)
