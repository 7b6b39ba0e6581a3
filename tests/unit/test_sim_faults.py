"""Workers that die, stall, come back and are replaced in virtual time, by the membership of MPI."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsp_mpi.core.hetero.changes import Change, Death, Stall
from adsp_mpi.core.hetero.profile import Conditions, Profile
from adsp_mpi.core.models import MODELS
from adsp_mpi.errors import AdspError
from adsp_mpi.runtime.profile_file import read_profile
from adsp_mpi.sim.run import simulate
from adsp_mpi.trace import Trace
from tests.launch.faults import WORKERS, Plan
from tests.unit.simulated import Played, config_of, play

SYNC = {"check_period_s": 2.0}
STEP_TIMES_S = (0.02, 0.02, 0.02, 0.02, 0.04, 0.04, 0.06)


def profile(workers: int, *faults: Change, delay_s: float = 0.3) -> Profile:
    """Commits under way for 300 ms: many a death meets one."""
    times = [STEP_TIMES_S[i % len(STEP_TIMES_S)] for i in range(workers)]
    return Profile(tuple(Conditions(s, delay_s=delay_s) for s in times), changes=faults)


def deaths(plan: Plan) -> list[Death]:
    return [Death([w], s) for w, s in zip(plan.victims, plan.at_s, strict=True)]


def run(
    folder: Path, model: str, made: Profile, seconds: float = 12.0, spares: int = 0, **more: float
) -> Played:
    return play(
        folder, model, made, sync=SYNC, stop={"max_seconds": seconds, **more},
        run={"screen": "quiet", "spares": spares}, eval={"period_s": 1.0}, task={"dimensions": 4},
    )  # fmt: skip


def told(played: Played) -> list[tuple[str, int, str]]:
    """What happened to workers: kind, worker, in words."""
    with Trace(played.folder) as trace:
        events = trace.frame("events")
    pairs = zip(events["kind"], events["text"], strict=True)
    return [(k, int(t.split()[1]), t) for k, t in pairs if t.startswith("worker ")]


def check(played: Played, plan: Plan, model: str) -> int:
    """What must hold after the deaths of `plan`; how many met a commit in flight."""
    lost = {worker: text for kind, worker, text in told(played) if kind == "lost"}
    assert lost.keys() == set(plan.victims)
    commits, steps = played.tables("commits"), played.tables("steps")
    landed = int(played.table("ps/evals")["landed"][-1])
    assert landed == sum(map(len, commits)), "a commit in flight lands whole or not at all"
    for victim, at_s in zip(plan.victims, plan.at_s, strict=True):
        done = int(re.search(r"after (\d+) commits", lost[victim]).group(1))  # type: ignore[union-attr]
        assert done == len(commits[victim])
        assert (commits[victim]["done_s"] < at_s).all()
        assert (steps[victim]["start_s"] + steps[victim]["compute_s"] < at_s).all()
    survivors = [len(c) for w, c in enumerate(commits) if w not in lost]
    assert min(survivors) > 0
    if model in ("adsp", "adsp-fixed"):
        assert max(survivors) - min(survivors) <= 1
    ends = [s["start_s"][-1] for w, s in enumerate(steps) if w not in lost]
    assert min(ends) > 10, "nobody waits for the dead"
    return sum("does not land" in text for text in lost.values())


@pytest.mark.parametrize("model", MODELS)
def test_the_others_go_on_and_no_commit_is_lost_or_doubled(tmp_path: Path, model: str) -> None:
    torn = 0
    for seed in range(4):
        plan, folder = Plan.of(seed), tmp_path / str(seed)
        folder.mkdir()
        torn += check(run(folder, model, profile(WORKERS, *deaths(plan))), plan, model)
    assert torn or model not in ("asp", "ssp"), "no death met a commit, so nothing was tested"


@pytest.mark.parametrize("model", ["adsp", "bsp", "ssp"])
def test_a_thousand_workers(tmp_path: Path, model: str) -> None:
    plan = Plan.of(1, workers=1000)
    made = Profile(
        tuple(Conditions(10 * STEP_TIMES_S[i % 7], delay_s=0.3) for i in range(1000)),
        changes=tuple(deaths(plan)),
    )
    check(run(tmp_path, model, made), plan, model)


def test_a_dead_worker_is_found_and_waited_for_no_more(tmp_path: Path) -> None:
    """BSP's others wait from its death until it is lost, and then never again."""
    played = run(tmp_path, "bsp", profile(3, Death([2], 3.0), delay_s=0.0))
    ((kind, worker, text),) = told(played)
    assert (kind, worker) == ("lost", 2) and "silent for 1.2 s" in text
    longest = max(played.table("workers/0/waits"), key=lambda row: row["duration_s"])
    assert 1.0 < longest["duration_s"] < 1.5 and 2.9 < longest["start_s"] < 3.1
    assert len(played.table("workers/0/steps")) > 3 * len(played.table("workers/2/steps"))


@pytest.mark.parametrize("model", MODELS)
def test_a_spare_takes_the_place_of_a_dead_worker(tmp_path: Path, model: str) -> None:
    played = run(tmp_path, model, profile(4, Death([1], 3.0)), spares=1)
    assert [(kind, worker) for kind, worker, _ in told(played)] == [("lost", 1), ("back", 3)]
    waits = played.table("workers/3/waits")
    assert waits["reason"][0] == b"admission" and waits["start_s"][0] == 0
    steps = played.table("workers/3/steps")
    assert 4 < steps["start_s"][0] < 6 and steps["start_s"][-1] > 11
    assert int(played.table("ps/evals")["landed"][-1]) == sum(map(len, played.tables("commits")))


def test_spares_alone_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    alone = run(tmp_path / "a", "adsp", profile(3))
    spared = run(tmp_path / "b", "adsp", profile(5), spares=2)
    for worker in range(3):
        for name in ("steps", "commits"):
            path = f"workers/{worker}/{name}"
            assert alone.table(path).tobytes() == spared.table(path).tobytes()
    assert not len(spared.table("workers/4/steps"))


@pytest.mark.parametrize(("for_s", "happened"), [(3.0, []), (8.0, [("lost", 2), ("back", 2)])])
@pytest.mark.parametrize("model", ["adsp", "bsp", "ssp", "wbsp"])
def test_a_worker_that_stalls_keeps_its_work_or_is_lost_and_back(
    tmp_path: Path, model: str, for_s: float, happened: list[tuple[str, int]]
) -> None:
    """A process that stands still is given 5 s; what it had in flight lands when it goes on."""
    made = profile(3, Stall([2], 2.0, 2.0 + for_s))
    played = run(tmp_path, model, made, seconds=20.0)
    assert [(kind, worker) for kind, worker, _ in told(played)] == happened
    steps, commits = played.table("workers/2/steps"), played.table("workers/2/commits")
    ends = steps["start_s"] + steps["compute_s"]
    assert not ((ends > 2.0) & (ends < 2.0 + for_s)).any()
    assert not ((commits["done_s"] > 2.0) & (commits["done_s"] < 2.0 + for_s)).any()
    assert (steps["compute_s"] > for_s).sum() <= 1 and steps["start_s"][-1] > 18
    landed = int(played.table("ps/evals")["landed"][-1])
    assert landed == sum(map(len, played.tables("commits")))


def test_a_profiles_file_says_who_dies_and_stalls(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        "step_time_s = [0.1, 0.1, 0.1]\n"
        "[[change]]\nworkers = [2]\ndies_at_s = 3\n"
        "[[change]]\nworkers = [0]\nfrom_s = 1.5\nstalls_for_s = 4\n"
    )
    made = read_profile(tmp_path / "p.toml", 3, 1.0, seed=0)
    assert made.faults == [Death([2], 3.0), Stall([0], 1.5, 5.5)]
    played = run(tmp_path, "asp", made)
    assert [(kind, worker) for kind, worker, _ in told(played)] == [("lost", 2)]


def test_all_dead_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(AdspError, match="every worker is lost"):
        run(tmp_path, "asp", profile(2, Death([0, 1], 2.0)))


def test_a_worker_that_dies_as_the_run_ends_is_told(tmp_path: Path) -> None:
    played = run(tmp_path, "asp", profile(3, Death([1], 11.9)))
    assert [(kind, worker) for kind, worker, _ in told(played)] == [("lost", 1)]


def test_a_dead_worker_leaves_every_minimum_and_count_at_once(tmp_path: Path) -> None:
    """No more than its death's 1.25 s are waited; the report counts who is left."""
    played = run(tmp_path, "ssp", profile(4, Death([3], 2.0)), seconds=30.0)
    seen = played.table("ps/observed_workers")
    times = played.table("ps/observed")["time_s"][seen["observation"]]
    of_dead = seen["worker"] == 3
    assert not seen["present"][of_dead & (times > 3.5)].any()
    assert seen["present"][~of_dead].all()


@pytest.mark.parametrize("model", ["adsp", "bsp", "adsp-plus"])
@pytest.mark.parametrize("break_s", [2.7, 4.0, 9.0])
def test_a_broken_run_with_deaths_ends_as_the_unbroken_one(
    tmp_path: Path, model: str, break_s: float
) -> None:
    """Broken off before, during and after what happens to its workers; to the bit."""
    faults = (Death([1], 3.0), Stall([0], 3.5, 10.0))
    made = profile(5, *faults)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    run(whole, model, made, seconds=16.0, spares=1)
    run(parts, model, made, seconds=break_s, spares=1)
    config = config_of(
        model, sync=SYNC, stop={"max_seconds": 16.0}, eval={"period_s": 1.0},
        task={"dimensions": 4},
        run={"screen": "quiet", "spares": 1, "resume": str(parts), "out": str(parts)},
    )  # fmt: skip
    simulate(config, parts, profile=made)
    with Trace(whole) as one, Trace(parts) as other:
        for path in one.tables:
            if path not in ("events", "ps/evals", "ps/observed", "ps/observed_workers"):
                a, b = one.table(path), other.table(path)
                assert a.tobytes() == b.tobytes(), path
        assert (one.table("ps/evals")["loss"][-1] == other.table("ps/evals")["loss"][-1]).all()


@settings(max_examples=40)
@given(data=st.data())
@pytest.mark.parametrize("model", ["adsp", "bsp", "ssp", "adacomm"])
def test_any_faults_keep_the_books(
    tmp_path_factory: pytest.TempPathFactory, model: str, data: st.DataObject
) -> None:
    """Any deaths and stalls, also at one moment, with and without spares: no run hangs."""
    moments = st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.5, 4.0])
    victims = st.integers(1, 4)
    made: list[Change] = []
    for worker, at_s in data.draw(st.lists(st.tuples(victims, moments), max_size=4)):
        for_s = data.draw(st.sampled_from([0.0, 0.2, 3.0, 7.0]))
        made.append(Stall([worker], at_s, at_s + for_s) if for_s else Death([worker], at_s))
    spares = data.draw(st.integers(0, 2))
    folder = tmp_path_factory.mktemp("any")
    played = run(folder, model, profile(7, *made), seconds=14.0, spares=spares)
    landed = int(played.table("ps/evals")["landed"][-1])
    assert landed == sum(map(len, played.tables("commits")))
    assert np.isfinite(played.table("ps/evals")["loss"]).all()
    dead = {w for fault in made if isinstance(fault, Death) for w in fault.workers}
    assert {worker for kind, worker, _ in told(played) if kind == "lost"} >= dead - {5, 6}


def test_a_worker_that_returns_to_the_snapshot_last_and_late_does_not_end_the_run(
    tmp_path: Path,
) -> None:
    """Rank 0 waits for all to be back at the snapshot; the last one is back after a stall."""
    made = profile(7, Stall([3], 1.0, 4.0), Death([2], 2.5), Stall([1], 2.5, 5.5))
    run(tmp_path, "adacomm", made, seconds=14.0, spares=1)
