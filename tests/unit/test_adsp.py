import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.actions import Commit, Observed, Run, Setup, Step, Targets, Tell
from adsp_mpi.core.board import Board
from adsp_mpi.core.models import make_model
from adsp_mpi.core.models.adsp import Adsp
from adsp_mpi.core.scheduler import Scheduler
from adsp_mpi.core.worker import Worker

BOARD = Board(1)


def seen_at(now: float, losses=(), commits: float = 0.0) -> Observed:
    """An observation of two workers."""
    zeros, present = np.zeros(2), np.full(2, True)
    return Observed(now, tuple(losses), zeros, np.full(2, commits), zeros, zeros, zeros, present)


def step(me: Worker, seconds: float) -> None:
    me.stepped(0.0, seconds, 0.0, loss=1.0)


def commit(me: Worker, begun_s: float, done_s: float) -> None:
    me.commit_begun(begun_s)
    me.commit_landed(0, sent_bytes=4)
    me.commit_done(done_s, blocked_s=0.0)


def following(target: float, begun: int = 0, since_s: float = 0.0, step_s: float = 0.0):
    """A worker that took a step and now follows targets given at `since_s`."""
    me = Worker(0, Adsp())
    me.begun = me.commits = begun
    me.follow(1, Targets(target, 1, 60.0, since_s=since_s))
    step(me, step_s)
    return me


def test_the_commits_due_are_spread_over_the_check_period() -> None:
    model = Adsp(check_period_s=60)
    me = following(target=4, begun=1, since_s=100.0)
    assert me.commits_due == 3
    for due_s in (120.0, 140.0, 160.0):
        assert model.next_action(due_s - 0.1, me, BOARD) == Step()
        assert model.next_action(due_s, me, BOARD) == Commit()
        commit(me, due_s, due_s)
        step(me, 0.0)
    assert model.next_action(1e6, me, BOARD) == Step()


def test_a_commit_is_done_by_its_time_though_it_and_a_step_take_long() -> None:
    """O = 5 s and steps of 2 s: the last moment to begin is 60 - 5 - 2."""
    model = Adsp(check_period_s=60)
    me = following(target=2, step_s=2.0)
    commit(me, 10.0, 15.0)
    me.follow(2, Targets(2, 1, 60.0))
    step(me, 2.0)
    assert model.next_action(52.9, me, BOARD) == Step()
    assert model.next_action(53.0, me, BOARD) == Commit()


def test_timer_has_a_floor() -> None:
    me = following(target=60)
    assert Adsp(check_period_s=60).next_action(9.9, me, BOARD) == Step()
    assert Adsp(check_period_s=60).next_action(10.0, me, BOARD) == Commit()
    assert Adsp(check_period_s=60, min_commit_interval_s=1).next_action(1.0, me, BOARD) == Commit()


@pytest.mark.parametrize("name", ["adsp-fixed", "adsp-plus"])
def test_a_given_rate_has_no_floor_that_could_keep_it_from_being_reached(name: str) -> None:
    me = following(target=60)
    assert make_model(name, {"check_period_s": 60}).next_action(1.0, me, BOARD) == Commit()
    with pytest.raises(ValueError, match=f"min_commit_interval_s is no option of scheme '{name}'"):
        make_model(name, {"min_commit_interval_s": 1.0})


def test_no_commit_while_one_is_in_flight_none_beyond_the_target_none_without_a_step() -> None:
    model = Adsp(check_period_s=60)
    me = following(target=2)
    me.commit_begun(0.0)
    step(me, 1.0)
    assert model.next_action(1e6, me, BOARD) == Step()
    me.commit_done(1.0, 0.0)
    assert model.next_action(1e6, me, BOARD) == Commit()
    commit(me, 0.0, 1.0)
    step(me, 1.0)
    assert model.next_action(1e6, me, BOARD) == Step(), "the target is reached"
    me.follow(2, Targets(5, 1, 60.0))
    me.steps_since_commit = 0
    assert model.next_action(1e6, me, BOARD) == Step(), "nothing to send"


@given(
    speeds=st.lists(st.floats(0.5, 20), min_size=1, max_size=2),
    rate=st.integers(1, 5),
)
def test_every_worker_reaches_the_target_by_each_check(speeds: list[float], rate: int) -> None:
    """Workers of any speed that can commit at the rate, over 6 check periods."""
    model = Adsp(check_period_s=60)
    states = [Worker(i, model) for i in range(len(speeds))]
    for me, speed in zip(states, speeds, strict=True):
        now, target = 0.0, 0.0
        for period in range(6):
            target += rate
            me.follow(period, Targets(target, rate, 60.0, since_s=60.0 * period))
            while now < 60.0 * (period + 1):
                if model.next_action(now, me, BOARD) == Commit():
                    commit(me, now, now)
                step(me, 1 / speed)
                now += 1 / speed
            assert me.commits == target


class Plant:
    """Answers each Run of a scheduler with a loss curve that depends on the rate."""

    def __init__(self, model: Adsp, speed_of_rate) -> None:
        self.loss, self.now, self.commits = 2.0, 0.0, 0.0
        self.speed_of_rate = speed_of_rate
        self.told: list[Tell] = []
        first = seen_at(0.0, [(0.0, 2.0)])
        self.scheduler = Scheduler(model, Setup(2, 32, 0.05), first, self.told.append)

    def answer(self) -> Run:
        run = self.scheduler.command
        speed = self.speed_of_rate(run.targets.commit_rate)
        times = np.linspace(0, run.seconds, 5)
        losses = [1 / (1 / self.loss + speed * t) for t in times]
        seen = tuple((self.now + t, loss) for t, loss in zip(times, losses, strict=True))
        self.now, self.loss, self.commits = seen[-1][0], losses[-1], run.targets.commit_target
        self.scheduler.advance(seen_at(self.now, seen, self.commits))
        return run


@pytest.mark.parametrize("peak", [1, 2, 3, 5])
def test_search_climbs_to_the_peak_and_holds_it_for_the_epoch(peak: int) -> None:
    model = Adsp(check_period_s=60, epoch_s=1200, search="paper")
    plant = Plant(model, lambda rate: 0.01 / (1 + (rate - peak) ** 2))
    runs = [plant.answer() for _ in range(20)]
    searched = [r.targets.commit_rate for r in runs if r.phase == "search"]
    assert searched == list(range(1, peak + 2))
    held = [r for r in runs if r.phase == "train"]
    assert {r.targets.commit_rate for r in held} == {peak}
    assert len(runs) == 20 and plant.now == 1200
    assert plant.answer().phase == "search", "a new epoch searches again"
    targets = [r.targets.commit_target for r in runs]
    assert targets == list(np.cumsum([r.targets.commit_rate for r in runs]))
    assert [t.values["commit_rate"] for t in plant.told[: peak + 1]] == searched


def test_search_stops_at_the_rate_that_the_floor_allows() -> None:
    plant = Plant(Adsp(check_period_s=60, epoch_s=1200, search="paper"), lambda rate: 0.01 * rate)
    runs = [plant.answer() for _ in range(8)]
    assert [r.targets.commit_rate for r in runs] == [1, 2, 3, 4, 5, 6, 6, 6]


def test_a_jump_of_the_loss_starts_a_new_search() -> None:
    plant = Plant(Adsp(check_period_s=60, epoch_s=1200, search="paper"), lambda rate: 0.01 / rate)
    assert [plant.answer().phase for _ in range(4)] == ["search", "search", "train", "train"]
    plant.speed_of_rate = lambda rate: -0.3 / (60 * plant.loss)
    plant.answer()
    assert plant.answer().phase == "search"


def test_a_scheduler_fed_the_same_observations_stands_in_the_same_place() -> None:
    plant = Plant(
        Adsp(check_period_s=60, epoch_s=1200, search="paper"),
        lambda rate: 0.01 / (1 + (rate - 2) ** 2),
    )
    for _ in range(11):
        plant.answer()
    first, *rest = plant.scheduler.observations
    again = Scheduler(
        Adsp(check_period_s=60, epoch_s=1200, search="paper"),
        Setup(2, 32, 0.05),
        first,
        lambda told: None,
    )
    for seen in rest:
        again.advance(seen)
    assert again.command == plant.scheduler.command


@pytest.mark.parametrize("losses", [(), ((0.0, float("nan")),), ((0.0, 1.0), (1.0, 1.0))])
def test_search_ends_on_losses_that_say_nothing(losses) -> None:
    model = Adsp(check_period_s=60, epoch_s=600, search="paper")
    first = seen_at(0.0, losses)
    scheduler = Scheduler(model, Setup(2, 32), first, lambda told: None)
    phases = []
    for k in range(1, 5):
        phases.append(scheduler.command.phase)
        scheduler.advance(seen_at(60.0 * k, losses))
    assert phases == ["search", "search", "train", "train"]
