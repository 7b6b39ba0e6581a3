"""Snapshots in virtual time: all workers pause, and return to exactly the same model."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.unit.simulated import Played, play, profile_of

SYNC = {
    "adsp-plus": {"trial_rates": [1, 2, 3], "trial_periods": 2, "check_period_s": 10.0},
    "adacomm": {"trial_local_steps": [4, 2, 1], "check_period_s": 20.0},
}


def trials(folder: Path, model: str, delay_s: float = 2.0) -> Played:
    return play(
        folder, model, profile_of([1.0, 1.5, 3.7], [0.0, delay_s, 0.3]),
        sync=SYNC[model], eval={"period_s": 3.0}, stop={"max_seconds": 150.0},
    )  # fmt: skip


@pytest.mark.parametrize("model", SYNC)
def test_every_trial_starts_from_exactly_the_snapshots_loss(tmp_path: Path, model: str) -> None:
    run = trials(tmp_path, model)
    evals, told = run.table("ps/evals"), run.table("ps/trials")
    waits = run.table("workers/0/waits")
    pauses = waits[waits["reason"] == b"snapshot"]
    assert len(pauses) == 3 + 1, "before each trial and after the last"
    for end_s in pauses["start_s"] + pauses["duration_s"]:
        judged = evals[(abs(evals["time_s"] - end_s) < 1e-5) & (evals["trial"] == 1)]
        assert evals["loss"][0] in judged["loss"]
    assert len(told) == 3 and (told["loss"] < evals["loss"][0]).all()
    assert not evals["trial"][-1] and evals["loss"][-1] < evals["loss"][0]
    assert 0 < run.result.report.trial_s < run.result.report.seconds


@pytest.mark.parametrize("model", SYNC)
def test_nobody_steps_or_commits_while_everyone_stands_still(tmp_path: Path, model: str) -> None:
    run = trials(tmp_path, model)
    pauses = [w[w["reason"] == b"snapshot"] for w in run.tables("waits")]
    assert [len(p) for p in pauses] == [4, 4, 4]
    for together in zip(*pauses, strict=True):
        begin = max(row["start_s"] for row in together)
        ends = {float(row["start_s"] + row["duration_s"]) for row in together}
        assert max(ends) - min(ends) < 1e-5, "float32 durations of one moment"
        assert begin == pytest.approx(max(ends)), "the last one to stand still ends the pause"
    for worker, rows in enumerate(pauses):
        steps, commits = (
            run.table(f"workers/{worker}/steps"),
            run.table(f"workers/{worker}/commits"),
        )
        for row in rows:
            inside = row["start_s"] + np.array([0.0, row["duration_s"] - 1e-5])
            assert not ((steps["start_s"] > inside[0]) & (steps["start_s"] < inside[1])).any()
            assert not ((commits["done_s"] > inside[0]) & (commits["begun_s"] < inside[1])).any()


def test_time_never_goes_back(tmp_path: Path) -> None:
    """A commit of 12 s delays the pause over evaluations that were due meanwhile."""
    run = trials(tmp_path, "adsp-plus", delay_s=12.0)
    for path, column in [
        ("ps/evals", "time_s"),
        ("ps/targets", "time_s"),
        ("ps/observed", "time_s"),
        ("workers/0/steps", "start_s"),
        ("workers/1/commits", "done_s"),
    ]:
        times = run.table(path)[column]
        assert all(before <= after for before, after in pairwise(times)), path


def test_a_worker_that_has_left_holds_up_no_pause(tmp_path: Path) -> None:
    """Worker 0 has taken its steps before the first trial ends."""
    run = play(
        tmp_path, "adsp-plus", profile_of([0.1, 3.0]),
        sync={"trial_rates": [1, 2], "trial_periods": 1, "check_period_s": 10.0},
        stop={"max_steps": 12},
    )  # fmt: skip
    assert [len(steps) for steps in run.tables("steps")] == [12, 12]
    assert len(run.table("ps/trials")) == 2
    assert run.result.report.reason == "every worker took its last step"
