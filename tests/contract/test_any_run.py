"""Runs that nobody thought of: any model, speeds, delays, bandwidths and limits in virtual time.

Many of them make things happen at the same moment, which wall time hardly ever does.
"""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsp_mpi.core.hetero.changes import Jitter
from adsp_mpi.core.hetero.profile import Conditions, Profile
from adsp_mpi.core.models import MODELS
from adsp_mpi.sim.run import simulate
from tests.contract.counts import CHECKS, WITHOUT_PULLS
from tests.contract.engines import Run
from tests.contract.replay import replay
from tests.unit.simulated import config_of

NEVER_WAIT = ("adsp", "adsp-fixed", "asp", "wbsp")
OPTIONS: dict[str, dict[str, st.SearchStrategy]] = {
    "adsp": {
        "epoch_s": st.sampled_from([10.0, 40.0]),
        "min_commit_interval_s": st.sampled_from([0.0, 1.0]),
        "blocking_commits": st.booleans(),
    },
    "adsp-fixed": {"commit_rate": st.integers(1, 5), "blocking_commits": st.booleans()},
    "adsp-plus": {
        "trial_rates": st.sampled_from([[1, 3], [2, 1]]),
        "trial_periods": st.integers(1, 2),
        "blocking_commits": st.booleans(),
    },
    "asp": {"local_steps": st.integers(1, 3), "blocking_commits": st.booleans()},
    "ssp": {"staleness": st.integers(1, 4), "blocking_commits": st.booleans()},
    "fixed-adacomm": {"local_steps": st.integers(1, 5)},
    "adacomm": {"trial_local_steps": st.sampled_from([[5], [4, 1]])},
    "batchtune-fixed-adacomm": {"local_steps": st.integers(1, 3)},
}

step_times = st.one_of(st.sampled_from([0.1, 0.3, 0.7, 1.0, 2.0, 3.0]), st.floats(0.1, 3.0))
delays = st.one_of(st.just(0.0), st.sampled_from([0.1, 1.0, 3.0, 10.0]), st.floats(0.0, 5.0))
conditions = st.builds(
    Conditions,
    step_time_s=step_times,
    delay_s=delays,
    bandwidth_mb_s=st.sampled_from([0.0, 0.0, 1e-4, 1e-5]),
    busy_s=st.sampled_from([0.0, 0.0, 0.5]),
)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    workers = draw(st.lists(conditions, min_size=1, max_size=5))
    alike = draw(st.booleans())
    workers = workers[:1] * len(workers) if alike else workers
    sigma, seed = draw(st.sampled_from([0.0, 0.0, 0.5])), draw(st.integers(0, 9))
    jitter = Jitter(range(len(workers)), sigma=sigma, seed=seed)
    return Profile(tuple(workers), changes=(jitter,) if sigma else ())


@st.composite
def sections(draw: st.DrawFn, name: str) -> dict[str, dict[str, Any]]:
    options = {key: draw(values) for key, values in OPTIONS.get(name, {}).items()}
    return {
        "sync": {"check_period_s": draw(st.sampled_from([2.0, 7.3, 10.0])), **options},
        "stop": {"max_seconds": 40.0, "max_steps": draw(st.sampled_from([0, 0, 17]))},
        "eval": {"period_s": draw(st.sampled_from([1.0, 3.3, 10.0]))},
        "simulate": {"server_bandwidth_mb_s": draw(st.sampled_from([0.0, 0.0, 1e-4, 1e-5]))},
        "task": {"dimensions": 4},
    }


@pytest.mark.one_mpi_is_enough
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=25)
@given(data=st.data())
def test_any_run_keeps_its_books_and_can_be_replayed(name: str, data: st.DataObject) -> None:
    profile = data.draw(profiles(), label="profile")
    config = config_of(name, **data.draw(sections(name), label="settings"))
    with tempfile.TemporaryDirectory() as folder:
        result = simulate(config, Path(folder), profile=profile)
        run = Run("sim", name, Path(folder))
        assert replay(run.recording) >= result.report.workers[0].steps
    for check in CHECKS:
        check(run)
    if result.report.reason == "every worker took its last step":
        assert {len(steps) for steps in run.tables("steps")} == {17}
        if name in WITHOUT_PULLS:
            assert {commits["steps"].sum() for commits in run.tables("commits")} == {17}
    if name in NEVER_WAIT:
        assert not any(map(len, run.tables("waits")))
    sent = sum(int(commits["sent_bytes"].sum()) for commits in run.tables("commits"))
    assert sent == 16 * run.table("ps/evals")["landed"][-1]
