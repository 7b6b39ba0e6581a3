"""Evaluations that take longer than a check period, in virtual time."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from adsp_mpi.core.actions import Targets
from adsp_mpi.core.longer_period import LEAST_LATE_S, LongerPeriod
from adsp_mpi.core.server_engine import Judging
from adsp_mpi.sim.board import STAGE
from adsp_mpi.sim.engine import Engine
from adsp_mpi.sim.run import simulate
from adsp_mpi.trace import Trace
from tests.contract.recording import Different, Recording
from tests.contract.replay import replay
from tests.unit.simulated import Played, config_of, play, profile_of

PERIOD_S = 4.0
RATE = 2
FAST = {"check_period_s": PERIOD_S, "commit_rate": RATE}


@dataclass
class Slow:
    """An evaluation that is over at a moment of virtual time."""

    engine: Engine
    over_s: float
    metrics: dict[str, float]

    def done(self) -> bool:
        return self.engine.clock.now >= self.over_s

    def result(self) -> dict[str, float]:
        return self.metrics


def take(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let every evaluation take this long, but those before the start and after the end.

    Its end is an appointment numbered 0, at which the server looks.
    """
    keep = Engine.keep_appointment

    def keep_appointment(engine: Engine, number: int) -> None:
        if number:
            keep(engine, number)
        else:
            engine.board.changed.add(STAGE)

    def judge(engine: Engine) -> Judging:
        over_s = engine.clock.now + seconds
        engine.clock.at(over_s, engine.clock.SERVER, partial(engine.keep_appointment, 0))
        return Slow(engine, over_s, engine.problem.evaluate())

    monkeypatch.setattr(Engine, "keep_appointment", keep_appointment)
    monkeypatch.setattr(Engine, "judge", judge)


def commit_times(run: Played) -> list[np.ndarray]:
    return [commits["done_s"] for commits in run.tables("commits")]


def test_the_target_rises_at_the_same_rate_by_hand() -> None:
    """The period ended at 10 s; what was due by then and not more is added to later targets."""
    targets = Targets(commit_target=6.0, commit_rate=2.0, check_period_s=4.0, since_s=6.0)
    longer = LongerPeriod()
    assert longer.raised_until(10.4, 10.0, targets) == 0
    assert longer.raise_s(10.0, targets) == 10.0 + LEAST_LATE_S
    targets = longer.next(10.0, targets)
    assert (targets.commit_target, targets.since_s) == (8.0, 10.0)
    assert [longer.raised_until(s, 10.0, targets) for s in (10.5, 11.8, 14.0, 14.4)] == [0, 1, 2, 2]
    assert longer.raise_s(10.0, targets) == 14.0 + LEAST_LATE_S
    targets = longer.next(10.0, targets)
    assert (targets.commit_target, targets.since_s) == (10.0, 14.0)
    assert longer.raised_until(16.0, 10.0, targets) == 3


def test_a_scheme_without_commit_targets_is_left_alone() -> None:
    assert LongerPeriod().raise_s(10.0, Targets(check_period_s=4.0)) == float("inf")


@pytest.mark.parametrize("seconds", [0.3, 3.0, 11.0])
def test_commits_go_on_at_the_same_rate_however_long_an_evaluation_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float
) -> None:
    take(monkeypatch, seconds)
    run = play(
        tmp_path, "adsp-fixed", profile_of([0.1, 0.3]), sync=FAST | {"model": "adsp-fixed"},
        stop={"max_seconds": 60.0}, eval={"period_s": 5.0},
    )  # fmt: skip
    for done_s in commit_times(run):
        gaps = np.diff(done_s[done_s < 59.0])
        assert gaps.max() < PERIOD_S / RATE + LEAST_LATE_S + 1.0, (
            "no worker waits for an evaluation"
        )
        assert len(done_s) == pytest.approx(60 / PERIOD_S * RATE, abs=2 * RATE)
    counts = [len(done_s) for done_s in commit_times(run)]
    assert max(counts) - min(counts) <= RATE


def test_the_search_and_a_restart_of_it_do_not_double_the_rate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every target lies at most one period's commits over the commits so far."""
    take(monkeypatch, 10.0)
    sync = {"model": "adsp", "check_period_s": PERIOD_S, "epoch_s": 30.0}
    run = play(
        tmp_path, "adsp", profile_of([0.1, 0.3]), sync=sync, stop={"max_seconds": 120.0},
        eval={"period_s": 5.0},
    )  # fmt: skip
    done_s = commit_times(run)[0]
    for row in run.table("ps/targets"):
        commits = int((done_s < row["time_s"]).sum())
        assert row["commit_target"] <= commits + 2 * row["commit_rate"] + 1


def test_the_run_ends_on_time_while_it_evaluates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    take(monkeypatch, 1000.0)
    run = play(tmp_path, "adsp", profile_of([0.1]), stop={"max_seconds": 20.0})
    assert run.result.report.reason == "20 s are over" and run.result.report.seconds == 20.0


def test_a_checkpoint_during_an_evaluation_begins_it_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The outer step at the end of the period is not made twice."""
    sections = {
        "sync": {"check_period_s": PERIOD_S, "commit_rate": RATE, "outer": "nesterov:0.5"},
        "eval": {"period_s": 5.0}, "checkpoint": {"period_s": 6.0, "keep": 9},
    }  # fmt: skip
    steps = []
    original = Engine.outer_step

    def outer_step(engine: Engine) -> None:
        steps.append(engine.clock.now)
        original(engine)

    monkeypatch.setattr(Engine, "outer_step", outer_step)
    take(monkeypatch, 3.0)
    profile = profile_of([0.1, 0.3])
    play(tmp_path, "adsp-fixed", profile, stop={"max_seconds": 6.5}, **sections)
    assert len(steps) == 1 and 4.0 <= steps[0] < 6.0
    again = config_of("adsp-fixed", stop={"max_seconds": 20.0}, **sections)
    config = again.with_values({"run": {"resume": str(tmp_path)}}, "test")
    simulate(config, tmp_path, profile=profile)
    assert steps[1] >= steps[0] + PERIOD_S


@pytest.mark.parametrize("seconds", [3.0, 10.0])
@pytest.mark.parametrize("model", ["adsp", "adsp-fixed", "adsp-plus"])
def test_a_run_whose_target_was_raised_can_be_replayed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str, seconds: float
) -> None:
    """Every observation says by how much, and an observation that says otherwise is found."""
    take(monkeypatch, seconds)
    options = {"adsp": {"epoch_s": 30.0}, "adsp-plus": {"trial_rates": [1, 3], "trial_periods": 1}}
    run = play(
        tmp_path, model, profile_of([0.1, 0.3]),
        sync={"check_period_s": PERIOD_S, **options.get(model, {})},
        stop={"max_seconds": 100.0}, eval={"period_s": 5.0},
    )  # fmt: skip
    with Trace(run.folder) as trace:
        recording = Recording.of(trace)
    assert replay(recording) > 1000
    observed = recording.tables["ps/observed"].copy()
    raised = observed["raised_commits"]
    assert raised[-1] > 0 and (np.diff(raised) >= 0).all()
    raised[-1] += 1
    with pytest.raises(Different, match="recorded raised_commits"):
        replay(replace(recording, tables=recording.tables | {"ps/observed": observed}))
