"""Heterogeneity over time: changes in profile files, and replays."""

import math
import random
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsp_mpi.core.hetero.changes import Jitter, Slowdown, SpeedChange, Straggle
from adsp_mpi.core.hetero.presets import Profile, make_profile
from adsp_mpi.runtime.profile_file import read_profile

Read = Callable[[str], Profile]
Question = tuple[int, float, int]

BASE = "step_time_s = [0.1, 0.2]\ndelay_s = [0.5, 0]\nbandwidth_mb_s = [0, 4]\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Make a profile of two workers of the text of a file."""

    def make(text: str) -> Profile:
        path = tmp_path / "p.toml"
        path.write_text(text)
        return read_profile(path, 2, 1.0, 3)

    return make


def step_times(profile: Profile, worker: int, *times: float) -> list[float]:
    return [profile.at(worker, now, 0).step_time_s for now in times]


def test_straggler_from_second_20_to_40(read: Read) -> None:
    profile = read(BASE + "[[change]]\nworkers = [1]\nfrom_s = 20\nto_s = 40\nslowdown = 3\n")
    assert step_times(profile, 1, 0, 19.9, 20, 39.9, 40) == pytest.approx([0.2, 0.2, 0.6, 0.6, 0.2])
    assert step_times(profile, 0, 0, 30, 50) == [0.1, 0.1, 0.1]


def test_drift_is_linear_and_stays(read: Read) -> None:
    profile = read(BASE + "[[change]]\nfrom_s = 10\nto_s = 20\ndrift_to = 3\n")
    assert step_times(profile, 0, 5, 10, 15, 20, 99) == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.3])


def test_a_change_of_the_link_replaces_what_it_names(read: Read) -> None:
    change = "[[change]]\nto_s = 5\n"
    profile = read(BASE + change + "delay_s = 2\n")
    assert [profile.at(i, 4).commit_delay_s(8) for i in (0, 1)] == [2, 2 + 8 / 4]
    assert [profile.at(i, 5).commit_delay_s(8) for i in (0, 1)] == [0.5, 8 / 4]
    both = read(BASE + change + "delay_s = 1\nbandwidth_mb_s = 2\n")
    assert [both.at(i, 4).commit_delay_s(8) for i in (0, 1)] == [1 + 8 / 2, 1 + 8 / 2]
    unlimited = read(BASE + change + "bandwidth_mb_s = 0\n")
    assert [unlimited.at(i, 4).commit_delay_s(8) for i in (0, 1)] == [0.5, 0]


def test_of_two_changes_of_the_link_the_last_holds(read: Read) -> None:
    profile = read(BASE + "[[change]]\ndelay_s = 7\n[[change]]\nfrom_s = 3\ndelay_s = 0\n")
    assert [profile.at(0, now).delay_s for now in (0, 3)] == [7, 0]


def test_factors_multiply(read: Read) -> None:
    profile = read(
        BASE
        + "[[change]]\nslowdown = 2\n"
        + "[[change]]\nfrom_s = 5\nslowdown = 0.5\n"
        + "[[change]]\nfrom_s = 0\nto_s = 10\ndrift_to = 3\n"
    )
    assert step_times(profile, 0, 0, 5, 10) == pytest.approx([0.2, 0.2, 0.3])


def test_without_step_times_the_factor_is_for_the_real_ones(read: Read) -> None:
    profile = read("[[change]]\nworkers = [0]\nslowdown = 4\n")
    assert not profile.relative
    assert (profile.at(0, 1.0).step_time_s, profile.at(0, 1.0).slowdown) == (0, 4)
    assert (profile.at(1, 1.0).step_time_s, profile.at(1, 1.0).slowdown) == (0, 1)


def test_no_jitter_and_jitter_by_hand(read: Read) -> None:
    quiet = read(BASE + "[[change]]\njitter = 0\n")
    assert [quiet.at(0, 0.0, step).step_time_s for step in (0, 1000)] == [0.1, 0.1]
    one, two = (read(BASE + f"[[change]]\njitter = {sigma}\n") for sigma in (0.25, 0.5))
    for step in (0, 5, 255, 256, 100_000):
        draw = math.log(one.at(1, 0.0, step).slowdown) / 0.25
        assert two.at(1, 99.0, step).slowdown == pytest.approx(math.exp(0.5 * draw))


@pytest.mark.parametrize("worker", [0, 1])
def test_jitter_is_log_normal_with_median_one(worker: int) -> None:
    jitter = Jitter(range(2), sigma=0.3, seed=5)
    logs = np.log([jitter.factor(worker, 0.0, step) for step in range(20_000)])
    assert np.median(logs) == pytest.approx(0, abs=0.3 * 4 / math.sqrt(len(logs)))
    assert logs.std() == pytest.approx(0.3, rel=0.03)
    assert abs(np.corrcoef(logs[1:], logs[:-1])[0, 1]) < 0.04


def test_stragglers_last_for_s_and_come_after_gaps() -> None:
    straggle = Straggle(range(1), from_s=10.0, every_s=5.0, for_s=0.5, slowdown=7.0, seed=2)
    times = np.arange(10.0, 2010.0, 0.01)
    slow = np.array([straggle.factor(0, now, 0) for now in times]) == 7.0
    assert not slow[0]
    edges = np.flatnonzero(np.diff(slow.astype(int)))
    begins, ends = times[edges[::2]], times[edges[1::2]]
    lasted = ends - begins[: len(ends)]
    assert np.quantile(lasted, [0, 0.9]) == pytest.approx([0.5, 0.5], abs=0.011)
    assert (begins[1 : len(ends)] - ends[:-1]).mean() == pytest.approx(5.0, rel=0.2)


@pytest.mark.parametrize(("every_s", "for_s"), [(4.0, 1.0), (1.0, 3.0), (0.5, 0.01)])
def test_share_of_straggling(every_s: float, for_s: float) -> None:
    straggle = Straggle(range(1), every_s=every_s, for_s=for_s, slowdown=2.0, seed=11)
    horizon = 4000 * (every_s + for_s)
    times = np.random.default_rng(0).uniform(0, horizon, 20_000)
    share = np.mean([straggle.factor(0, now, 0) == 2.0 for now in times])
    assert share == pytest.approx(for_s / (every_s + for_s), rel=0.1, abs=0.005)


def test_workers_and_changes_draw_their_own(read: Read) -> None:
    profile = read(BASE + "[[change]]\njitter = 0.2\n[[change]]\njitter = 0.2\n")
    first, second = (change for change in profile.changes if isinstance(change, Jitter))
    drawn = {c.factor(w, 0.0, 0) for c in (first, second) for w in (0, 1)}
    assert len(drawn) == 4


@settings(deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(
        st.tuples(st.integers(0, 9), st.floats(0, 1000), st.integers(0, 5000)),
        min_size=1,
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_questions_does_not_matter(
    seed: int, asked: list[Question], order: random.Random
) -> None:
    def profile() -> Profile:
        workers = make_profile("ratio:2", 10, 0.1).workers
        changes: tuple[SpeedChange, ...] = (
            Jitter(range(10), sigma=0.5, seed=seed, number=1),
            Straggle(range(10), from_s=3, every_s=20, for_s=5, slowdown=3, seed=seed, number=2),
        )
        return Profile(workers, changes=changes)

    one, shuffled = profile(), asked.copy()
    order.shuffle(shuffled)
    answers = {question: one.at(*question) for question in shuffled}
    other = profile()
    assert all(other.at(*question) == answers[question] for question in asked)
    last = asked[-1]
    assert profile().at(*last) == answers[last]


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0, 50))
def test_two_factors_are_their_product(one: float, two: float, now: float) -> None:
    changes = (Slowdown([0], slowdown=one), Slowdown([0], to_s=25, slowdown=two))
    profile = Profile(make_profile("ratio:2", 1, 0.1).workers, changes=changes)
    assert profile.at(0, now).slowdown == pytest.approx(one * two if now < 25 else one)


def test_a_replay_repeats_what_was_recorded() -> None:
    profile = Profile.from_durations([np.array([0.1, 0.3]), np.array([0.5])])
    assert [profile.at(0, 0.0, k).step_time_s for k in range(5)] == pytest.approx(
        [0.1, 0.3, 0.1, 0.3, 0.1]
    )
    assert profile.at(1, 9.0, 7).step_time_s == pytest.approx(0.5)
    assert [c.step_time_s for c in profile.workers] == pytest.approx([0.2, 0.5])


@pytest.mark.parametrize("durations", [[], [0.1, 0.0], [math.nan]])
def test_a_replay_needs_durations(durations: list[float]) -> None:
    with pytest.raises(ValueError, match="worker 1: step durations"):
        Profile.from_durations([np.ones(3), np.array(durations)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("slowdown = 0", "change 2: slowdown = 0: a number of at least 0.001"),
        ("slowdown = inf", "slowdown = inf"),
        ("slowdown = '3'", "slowdown = '3'"),
        ("to_s = 9", "exactly one of slowdown, .*; it has none"),
        ("slowdown = 2\njitter = 0.1", "it has slowdown and jitter"),
        ("delay_s = 2\njitter = 0.1", "it has jitter and delay_s"),
        ("speed = 2", "change 2: unknown key 'speed'; known: workers, from_s"),
        ("slowdown = 2\nworkers = [2]", r"workers = \[2\]: a list of worker numbers from 0 to 1"),
        ("slowdown = 2\nworkers = [true]", r"workers = \[True\]"),
        ("slowdown = 2\nworkers = []", r"workers = \[\]"),
        ("slowdown = 2\nworkers = 1", "workers = 1"),
        ("slowdown = 2\nfrom_s = -1", "from_s = -1"),
        ("slowdown = 2\nfrom_s = 5\nto_s = 5", "to_s = 5 must be after from_s = 5"),
        ("slowdown = 2\nto_s = nan", "to_s = nan"),
        ("drift_to = 2\nfrom_s = 5", "drift_to needs to_s"),
        ("dies_at_s = -1", "dies_at_s = -1: a number of at least 0"),
        ("dies_at_s = 5\nfrom_s = 5", "dies_at_s goes without from_s"),
        ("stalls_for_s = 0", "stalls_for_s = 0: a number of at least 0.001"),
        ("stalls_for_s = 1\nto_s = 5", "stalls_for_s goes without to_s"),
        ("stalls_for_s = 1\ndies_at_s = 5", "exactly one of .*; it has dies_at_s and stalls_for_s"),
        ("drift_to = 0\nto_s = 5", "drift_to = 0"),
        ("delay_s = -1", "delay_s = -1"),
        ("bandwidth_mb_s = true", "bandwidth_mb_s = True"),
        ("jitter = 11", "jitter = 11: a number of at least 0 and at most 10"),
        ("straggle = 3", "straggle must be a table with every_s, for_s, slowdown"),
        ("straggle = {every_s = 3}", "straggle must be a table with"),
        ("straggle = {every_s = 3, for_s = 0, slowdown = 2}", "straggle.for_s = 0"),
        (
            "straggle = {every_s = 3, for_s = 1, slowdown = 2, x = 1}",
            "straggle: unknown key 'x'; known: every_s",
        ),
    ],
)
def test_bad_changes_are_named(read: Read, tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read(BASE + "[[change]]\nslowdown = 2\n[[change]]\n" + change)
    text = str(error.value)
    assert text.startswith(f"profile {tmp_path / 'p.toml'}: change 2") and "\n" not in text


def test_one_change_in_single_brackets_is_named(read: Read) -> None:
    with pytest.raises(ValueError, match=r"write \[\[change\]\]"):
        read("[change]\nslowdown = 2\n")
