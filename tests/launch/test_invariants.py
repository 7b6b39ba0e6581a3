"""What each synchronization model promises, checked on the traces of real runs with jitter."""

import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from adsp_mpi.core.models.adacomm import next_local_steps
from adsp_mpi.trace import Trace
from tests.launch.launcher import launch

WORKERS = 4
CLOCK_S = 5e-4
"""How far the aligned clocks of ranks on one host may be apart."""

PROFILE = """
step_time_s = [0.006, 0.01, 0.02, 0.05]
[[change]]
jitter = 0.3
[[change]]
workers = [1]
from_s = 2
to_s = 5
slowdown = 4
"""


def run_model(folder: Path, name: str, seconds: float, *settings: str) -> Trace:
    """Train digits with the model under the profile above; its trace."""
    (folder / "p.toml").write_text(PROFILE)
    options = [word for setting in settings for word in ("--set", setting)]
    run = launch(
        WORKERS + 1, "-m", "adsp_mpi", "--sync", name, "--hetero", "p.toml", "--out", "r",
        "--max-seconds", str(seconds), "--set", "stop.target_loss=0.0", *options, cwd=folder,
    )  # fmt: skip
    assert run.code == 0 and run.error_lines == [], run.err
    return Trace(folder / "r")


def tables(trace: Trace, name: str) -> list[np.ndarray]:
    return [trace.table(f"workers/{w}/{name}") for w in range(WORKERS)]


def assert_nobody_waited(trace: Trace) -> None:
    assert [len(waits) for waits in tables(trace, "waits")] == [0] * WORKERS


def assert_rounds_never_mix(trace: Trace) -> None:
    """Every commit of a round is done before the first of the next one begins."""
    commits = tables(trace, "commits")
    rounds = min(map(len, commits))
    assert rounds > 10
    for k in range(rounds - 1):
        done = max(c["done_s"][k] for c in commits)
        assert done <= min(c["begun_s"][k + 1] for c in commits) + CLOCK_S
        assert {int(c["number"][k]) for c in commits} == {k + 1}
        assert sorted(c["staleness"][k] for c in commits) == list(range(WORKERS))


def test_ssp_holds_its_bound_at_every_instant(tmp_path: Path) -> None:
    with run_model(tmp_path, "ssp", 4, "sync.staleness=3") as trace:
        steps = tables(trace, "steps")
    ends = [s["start_s"] + s["compute_s"] + s["sleep_s"] for s in steps]
    waited = 0
    for mine in steps:
        for k, start in enumerate(mine["start_s"]):
            done = [int(np.searchsorted(end, start + CLOCK_S, "right")) for end in ends]
            assert k - min(done) < 3
            waited += k - min(done) == 2
    assert waited > 20, "the bound was never reached, so nothing was tested"


def test_bsp_rounds_never_mix(tmp_path: Path) -> None:
    with run_model(tmp_path, "bsp", 3) as trace:
        assert_rounds_never_mix(trace)


def test_adacomms_tau_follows_its_formula_and_rounds_never_mix(tmp_path: Path) -> None:
    settings = ["sync.trial_local_steps=[9]", "sync.check_period_s=1.0", "train.local_lr=0.3"]
    with run_model(tmp_path, "adacomm", 8, *settings) as trace:
        assert_rounds_never_mix(trace)
        commits = tables(trace, "commits")
        told, first_loss = trace.table("ps/adacomm"), trace.table("ps/evals")["loss"][0]
        taus = [9, *told["local_steps"].astype(int)]
        assert len(taus) > 5 and taus[-1] < 9
        for before, after, loss in zip(taus, taus[1:], told["loss"], strict=False):
            assert after == next_local_steps(before, 9, loss, first_loss)
    rounds = min(map(len, commits))
    used = [{int(c["steps"][k]) for c in commits} for k in range(rounds)]
    assert all(len(steps) == 1 for steps in used), "all workers change tau in the same round"
    sequence = [steps.pop() for steps in used]
    assert sequence[0] == 9 and sequence == sorted(sequence, reverse=True)
    assert set(sequence) <= set(taus)


def test_adsp_never_waits_and_commits_stay_together(tmp_path: Path) -> None:
    """Also while worker 1 is four times slower from second 2 to 5."""
    with run_model(tmp_path, "adsp", 8, "sync.check_period_s=1.0", "sync.epoch_s=4.0") as trace:
        assert_nobody_waited(trace)
        targets, commits = trace.table("ps/targets"), tables(trace, "commits")
        config = tomllib.loads(trace.meta["config"])
    assert config["sync"]["min_commit_interval_s"] == 0.5
    assert (targets["phase"] == b"search").sum() >= 4
    assert np.isfinite(targets["implicit_momentum"][1:]).all()
    assert ((targets["implicit_momentum"][1:] > 0) & (targets["implicit_momentum"][1:] < 1)).all()
    for now, after in pairwise(targets):
        counts = [int((c["begun_s"] <= after["time_s"]).sum()) for c in commits]
        assert max(counts) <= now["commit_target"]
        assert max(counts) - min(counts) <= now["commit_rate"]


@pytest.mark.parametrize("name", ["asp", "adsp-fixed"])
def test_asynchronous_models_never_wait(tmp_path: Path, name: str) -> None:
    with run_model(tmp_path, name, 3) as trace:
        assert_nobody_waited(trace)
        steps, commits = tables(trace, "steps"), tables(trace, "commits")
    assert len(steps[0]) > len(steps[3])
    for s, c in zip(steps, commits, strict=True):
        if name == "asp":
            assert (c["steps"][:-1] >= 1).all() and c["steps"].sum() >= len(s) - 2
        assert (c["staleness"] >= 0).all()


def test_wbsp_never_waits_and_each_round_is_one_version(tmp_path: Path) -> None:
    with run_model(tmp_path, "wbsp", 3) as trace:
        assert_nobody_waited(trace)
        assert_rounds_never_mix(trace)
        assert trace.table("workers/0/commits")["steps"].mean() > 1


def test_batchtunes_total_batch_is_constant(tmp_path: Path) -> None:
    with run_model(tmp_path, "batchtune-bsp", 5, "sync.check_period_s=1.0") as trace:
        assert_rounds_never_mix(trace)
        steps = tables(trace, "steps")
    rounds = min(map(len, steps))
    sizes = np.array([s["batch_size"][:rounds] for s in steps])
    assert (sizes.sum(axis=0) == 32 * WORKERS).all()
    assert (sizes[0, -1] > 32) and (sizes[3, -1] < 32)


def test_trials_start_from_one_snapshot_and_do_not_count(tmp_path: Path) -> None:
    settings = ["sync.trial_rates=[1,3]", "sync.trial_periods=1", "sync.check_period_s=1.0"]
    with run_model(tmp_path, "adsp-plus", 5, *settings) as trace:
        evals, targets = trace.table("ps/evals"), trace.table("ps/targets")
        trials = trace.table("ps/trials")
    assert list(targets["phase"][:3]) == [b"trial", b"trial", b"train"]
    first = evals["loss"][0]
    assert (evals["loss"] == first).sum() >= 4, "the snapshot is judged after every restore"
    assert list(trials["commit_rate"]) == [1, 3]
    best = trials["commit_rate"][np.argmin(trials["loss"])]
    assert set(targets["commit_rate"][2:]) == {best}
    assert evals["loss"][-1] < first
