"""Which samples the workers of users' own loops are given, in virtual time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit import number_loops
from tests.unit.own_loops import SEEN
from tests.unit.simulated import play_loop as play

WORKERS = 4


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


def test_fixed_shards_are_disjoint_and_complete_and_only_looked_up_where_they_belong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(monkeypatch, tmp_path, lambda: number_loops.numbers(fixed=True))
    own = [set(SEEN[f"numbers of {worker}"]) for worker in range(WORKERS)]
    assert [len(part) for part in own] == [10] * WORKERS
    assert set.union(*own) == set(range(40))
    assert not SEEN["numbers of -1"]


def given_numbers() -> list[list[int]]:
    """The numbers that each worker was given, in order."""
    return [SEEN[f"numbers of {worker}"] for worker in range(WORKERS)]


def times_given() -> np.ndarray:
    """How often each of the 40 numbers was given to any worker, int[40]."""
    return np.bincount(np.concatenate(given_numbers()).astype(int), minlength=40)


def test_all_workers_together_go_through_the_samples_however_fast_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a worker holds, 2 batches and the one that it asked for, is what may be missing."""
    play(monkeypatch, tmp_path, lambda: number_loops.numbers(fixed=False))
    given = given_numbers()
    assert len(given[-1]) > 2 * len(given[0]) > 0
    assert all(len(numbers) % 3 == 0 for numbers in given), "every batch is full"
    assert set(SEEN["length of the loader"]) == {14}, "a pass of all workers"
    counts = times_given()
    passes = counts.sum() // 40
    assert passes >= 5 and passes - 2 <= counts.min() <= counts.max() <= passes + 1
    assert 40 * counts.max() - counts.sum() <= 40 + WORKERS * 9
    assert not SEEN["numbers of -1"]


def test_of_two_datasets_the_first_is_dealt_and_each_worker_goes_through_the_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(monkeypatch, tmp_path, number_loops.two_sets)
    counts = times_given()
    assert 40 * counts.max() - counts.sum() <= 40 + WORKERS * 9
    for worker in range(WORKERS):
        others = SEEN[f"others of {worker}"]
        passes = [sorted(others[k : k + 10]) for k in range(0, len(others) - 9, 10)]
        assert passes and all(one == list(range(10)) for one in passes)


def test_what_a_dead_worker_held_is_given_to_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Worker 3 dies with a range that nobody else would be given."""
    profile = tmp_path / "p.toml"
    profile.write_text(
        "step_time_s = [0.1, 0.1, 0.1, 0.1]\n[[change]]\nworkers = [3]\ndies_at_s = 1.05\n"
    )
    hetero = {"profile": str(profile), "step_time_s": 0.0}
    play(monkeypatch, tmp_path / "run", lambda: number_loops.numbers(fixed=False), hetero=hetero)
    given = given_numbers()
    assert len(given[3]) < len(given[0]) / 4
    counts = times_given()
    assert 40 * counts.max() - counts.sum() <= 40 + WORKERS * 9


def test_a_resumed_run_goes_on_with_the_next_samples(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Together both parts are given what one uninterrupted run is."""

    def train() -> None:
        number_loops.numbers(fixed=False)

    play(monkeypatch, tmp_path / "whole", train, stop={"max_steps": 40, "max_seconds": 60.0})
    whole = [sorted(numbers) for numbers in given_numbers()]
    SEEN.clear()
    part = tmp_path / "part"
    stop: dict[str, Any] = {"max_steps": 20, "max_seconds": 60.0}
    play(monkeypatch, part, train, stop=stop, checkpoint={"period_s": 1.0})
    stop["max_steps"] = 40
    play(monkeypatch, part, train, stop=stop, run={"resume": str(part)})
    counts = times_given()
    assert 40 * counts.max() - counts.sum() <= 40 + WORKERS * 9
    assert [len(numbers) for numbers in given_numbers()] == [len(numbers) for numbers in whole]
