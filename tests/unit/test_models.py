"""The rivals' rules, by hand and as properties over every order of actions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.actions import (
    TRIAL,
    Observed,
    Restore,
    Run,
    Setup,
    Snapshot,
    Step,
    Targets,
    Tell,
    Wait,
)
from adsp_mpi.core.models import MODELS, make_model
from adsp_mpi.core.models.adacomm import Adacomm, next_local_steps
from adsp_mpi.core.models.batchtune import tuned_batch_sizes
from adsp_mpi.core.models.rounds import RoundModel
from adsp_mpi.core.scheduler import Scheduler
from adsp_mpi.core.theory import implicit_momentum
from tests.unit.play import Play

orders = st.lists(st.integers(0, 3), max_size=400)


def steer_first(play: Play) -> Scheduler:
    """Give out the first targets as a server does; trials begin after one Snapshot and Restore."""
    seen = observed(0.0, 1.0, play)
    scheduler = Scheduler(play.sync, Setup(4, 8), seen, lambda told: None)
    while not isinstance(scheduler.command, Run):
        scheduler.advance(seen)
    play.steer(scheduler.command, paused=True)
    return scheduler


def observed(now: float, loss: float, play: Play | None = None) -> Observed:
    commits = play.board.column("commits").copy() if play else np.zeros(4)
    sample_s, zeros = np.array([0.1, 0.1, 0.2, 0.4]), np.zeros(4)
    present = np.full(4, True)
    return Observed(now, ((now, loss),), zeros, commits, sample_s, zeros, zeros, present)


@pytest.mark.parametrize("name", ["adsp", "adsp-fixed", "adsp-plus", "asp", "wbsp"])
@given(order=orders)
def test_who_never_waits_never_waits(name: str, order: list[int]) -> None:
    play = Play(make_model(name, {}), 4)
    steer_first(play)
    for i in order:
        play.act(i)
    assert play.waits == 0


@given(st.integers(1, 6), orders)
def test_ssp_holds_its_bound_at_every_instant(staleness: int, order: list[int]) -> None:
    play = Play(make_model("ssp", {"staleness": staleness}), 4)
    for i in order:
        play.act(i)
        steps = [me.steps for me in play.me]
        assert max(steps) - min(steps) <= staleness


def test_ssp_by_hand() -> None:
    """s = 2: two steps ahead are allowed, the third waits; each step is committed first."""
    play = Play(make_model("ssp", {"staleness": 2}), 2)
    for _ in range(4):
        play.act(0)
    assert (play.me[0].steps, play.me[0].commits) == (2, 2)
    assert play.decide(0) == Wait("the slowest worker")
    play.act(1)
    assert play.decide(0) == Step()


def test_asp_commits_every_tau_steps() -> None:
    play = Play(make_model("asp", {"local_steps": 3}), 1)
    for _ in range(12):
        play.act(0)
    assert (play.me[0].steps, play.me[0].commits) == (9, 3)


@pytest.mark.parametrize("name", MODELS)
@given(order=orders)
def test_somebody_can_always_go_on(name: str, order: list[int]) -> None:
    """No deadlock: after any order, four workers acting one after another all reach new steps."""
    play = Play(make_model(name, {}), 4)
    steer_first(play)
    for i in order:
        play.act(i)
    before = [me.steps for me in play.me]
    for _ in range(200):
        if all(me.steps > steps for me, steps in zip(play.me, before, strict=True)):
            return
        for i in range(4):
            play.act(i)
    raise AssertionError("somebody takes no step any more")


@given(
    order=orders,
    changes=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 399)), max_size=4),
)
def test_a_new_plan_holds_for_everyone_from_the_same_round(
    order: list[int], changes: list[tuple[int, int]]
) -> None:
    """tau and batch sizes change while workers train, at any moment."""
    play = Play(make_model("adacomm", {}), 4)
    play.steer(Run(Targets(local_steps=1), 1.0), paused=True)
    due = sorted(changes, key=lambda change: change[1])
    for k, i in enumerate(order):
        if due and due[0][1] <= k:
            tau = due.pop(0)[0]
            play.steer(Run(Targets(local_steps=tau), 1.0, batch_sizes=(tau, 8, 8, 16 - tau)))
        play.act(i)
    for plans in zip(*play.plans, strict=False):
        assert len({tau for tau, _ in plans}) == 1
        assert sum(size for _, size in plans) == 32


@pytest.mark.parametrize(
    ("tau", "loss", "expected"),
    [
        (40, 1.0, 20),  # ceil(sqrt(1) 40) = 40 is not smaller than 40, so half
        (40, 0.25, 20),  # ceil(sqrt(0.25) 40)
        (20, 0.26, 10),  # ceil(20.4) = 21 is not smaller than 20
        (20, 0.0, 1),
        (1, 0.5, 1),
        (5, 4.0, 3),  # ceil(5 / 2)
        (5, float("nan"), 3),
        (5, float("inf"), 3),
    ],
)
def test_adacomms_next_tau_by_hand(tau: int, loss: float, expected: int) -> None:
    assert next_local_steps(tau, 40, loss, 1.0) == expected


def run_scheduler(name: str, options: dict, losses: list[float]) -> tuple[list, list[Tell]]:
    """The commands of a scheduler that sees the given losses, one per Run."""
    told: list[Tell] = []
    scheduler = Scheduler(make_model(name, options), Setup(4, 8), observed(0.0, 1.0), told.append)
    commands = [scheduler.command]
    now, remaining = 0.0, list(losses)
    while remaining:
        loss = 1.0
        if isinstance(scheduler.command, Run):
            now, loss = now + scheduler.command.seconds, remaining.pop(0)
        commands.append(scheduler.advance(observed(now, loss)))
    return commands, told


def test_adacomm_tries_its_grid_from_one_snapshot_and_takes_the_best() -> None:
    losses = [0.9, 0.5, 0.7, 0.25, 0.24]
    commands, told = run_scheduler("adacomm", {"trial_local_steps": [1, 10, 20]}, losses)
    runs = [c for c in commands if isinstance(c, Run)]
    assert [(r.targets.local_steps, r.phase) for r in runs] == [
        (1, TRIAL), (10, TRIAL), (20, TRIAL), (10, "train"), (5, "train"), (3, "train"),
    ]  # fmt: skip
    kinds = [type(c) for c in commands[:8]]
    assert kinds == [Snapshot, Restore, Run, Restore, Run, Restore, Run, Restore]
    assert [t.values["loss"] for t in told if t.table == "trials"] == losses[:3]


def test_adsp_plus_keeps_the_best_of_its_rates() -> None:
    options = {"trial_rates": [1, 3], "trial_periods": 2, "check_period_s": 10.0}
    commands, _ = run_scheduler("adsp-plus", options, [0.9, 0.8, 0.9, float("nan"), 0.5])
    runs = [c for c in commands if isinstance(c, Run)]
    assert [(r.targets.commit_rate, r.phase) for r in runs] == [
        (1, TRIAL), (1, TRIAL), (3, TRIAL), (3, TRIAL), (1, "train"), (1, "train"),
    ]  # fmt: skip
    assert [type(c) for c in commands if not isinstance(c, Run)] == [Snapshot] + 3 * [Restore]


def test_batch_sizes_by_hand() -> None:
    """Speeds 10, 10, 5 and 2.5 samples per second share 32 samples as 11.6, 11.6, 5.8, 2.9."""
    sizes = tuned_batch_sizes(np.array([0.1, 0.1, 0.2, 0.4]), np.full(4, True), 8)
    assert sizes == (12, 11, 6, 3)
    unknown = tuned_batch_sizes(np.array([0.1, 0.0, 0.2, 0.4]), np.full(4, True), 8)
    assert unknown == (8, 8, 8, 8)
    absent = tuned_batch_sizes(np.array([0.1, 0.3, 0.1]), np.array([True, False, True]), 8)
    assert absent == (8, 8, 8)


@given(st.lists(st.floats(1e-4, 10), min_size=1, max_size=30), st.integers(1, 64))
def test_total_batch_is_constant_and_sizes_follow_speed(times: list[float], batch: int) -> None:
    sample_s = np.array(times)
    sizes = np.array(tuned_batch_sizes(sample_s, np.full(len(times), True), batch))
    assert sizes.sum() == batch * len(times) and sizes.min() >= 1
    exact = sizes.sum() / sample_s / (1 / sample_s).sum()
    assert (sizes <= np.maximum(exact, 1) + 1).all()


def test_implicit_momentum_of_the_authors_plot() -> None:
    """AAAI 2020, Theorem 1: M = 18, 20 steps per check period."""
    speed = np.full(18, 20.0)
    assert implicit_momentum(np.full(18, 1.0), speed) == pytest.approx(0.459, abs=5e-4)
    assert implicit_momentum(np.full(18, 10.0), speed) == pytest.approx(0.078, abs=5e-4)


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0.1, 1e4)), min_size=1, max_size=20))
def test_more_commits_mean_less_implicit_momentum(workers: list[tuple[int, float]]) -> None:
    due, speed = (np.array(column, float) for column in zip(*workers, strict=True))
    momentum = implicit_momentum(due, speed)
    assert 0 <= momentum < 1
    assert implicit_momentum(due + 1, speed) <= momentum


def test_momentum_refuses_zeros() -> None:
    with pytest.raises(ValueError):
        implicit_momentum(np.zeros(2), np.ones(2))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ssp", {"staleness": 0}, "at least 1"),
        ("asp", {"local_steps": 0}, "at least 1"),
        ("adacomm", {"trial_local_steps": []}, "at least 1"),
        ("adacomm", {"trial_local_steps": [1, 2.5]}, "list of int"),
        ("adsp-plus", {"trial_rates": [0]}, "at least 1"),
        ("batchtune-bsp", {"local_steps": 2}, "batchtune-fixed-adacomm"),
        ("adsp-fixed", {"epoch_s": 3.0}, "no option of scheme 'adsp-fixed'"),
    ],
)
def test_bad_options_are_named(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_model(name, options)


def test_single_tau_needs_no_trial() -> None:
    commands, told = run_scheduler("adacomm", {"trial_local_steps": [16]}, [0.25])
    assert [c.targets.local_steps for c in commands] == [16, 8] and len(told) == 1
    assert issubclass(Adacomm, RoundModel)


def test_a_reason_that_no_trace_could_hold_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="ASCII"):
        Wait("für immer")
