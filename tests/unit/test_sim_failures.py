"""A simulation that cannot go on says so in one line, and keeps its trace."""

import signal
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Iterator

import numpy as np
import pytest

from adsp_mpi.core.actions import Commit, Pull, Step, Wait
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.errors import AdspError
from adsp_mpi.trace import Trace
from tests.unit.simulated import play, profile_of

HERE = "tests.unit.test_sim_failures"


@pytest.fixture(autouse=True)
def _never_for_ever() -> Iterator[None]:
    """These runs would not end by themselves if what is tested failed."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("the simulation does not end")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class WaitsForEver(SyncModel):
    """Worker 1 after its first step; worker 0 too, or it takes all its steps."""

    both: bool = True

    def next_action(self, now, me, board):
        waits = me.steps and (me.index or self.both)
        return Wait("a miracle") if waits else Step()


@dataclass(frozen=True)
class PullsForEver(SyncModel):
    def next_action(self, now, me, board):
        return Pull()


@dataclass(frozen=True)
class CommitsForEver(SyncModel):
    blocking_commits: bool = True

    def next_action(self, now, me, board):
        return Commit()


@dataclass(frozen=True)
class WakesTheOther(SyncModel):
    """Both pull in turn, and no time passes."""

    def next_action(self, now, me, board):
        return Pull() if me.pulls <= board.minimum("pulls") else Wait("the other's turn")


@dataclass(frozen=True)
class WaitsUntilNow(SyncModel):
    def next_action(self, now, me, board):
        return Wait("yesterday", now - 1)


@dataclass(frozen=True)
class Broken(SyncModel):
    """Its bug must not look like the end of the run."""

    def next_action(self, now, me, board):
        return next(iter([])) if me.steps else Step()


@dataclass(frozen=True)
class Silent(SyncModel):
    def next_action(self, now, me, board):
        return None


CASES: list[tuple[str, dict[str, Any], str]] = [
    ("WaitsForEver", {}, "every worker waits and nothing will change: a miracle"),
    ("WaitsForEver", {"both": False}, "every worker waits and nothing will change: a miracle"),
    ("PullsForEver", {}, r"PullsForEver.next_action asked 1000 times in a row .* last Pull"),
    ("CommitsForEver", {}, "time stands still at 0 s"),
    ("WakesTheOther", {}, "time stands still at 0 s: .*: the other's turn"),
    ("WaitsUntilNow", {}, "waits again and again until a second that is over: yesterday"),
    ("Silent", {}, r"Silent.next_action returned None: it must be Step\(\)"),
]


@pytest.mark.parametrize(("model", "options", "message"), CASES)
def test_who_does_not_let_time_go_on_is_told(
    tmp_path: Path, model: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(AdspError, match=message):
        play(
            tmp_path, f"{HERE}:{model}", profile_of([1.0, 1.0]),
            sync=options, stop={"max_steps": 3}, eval={"period_s": 1.0},
        )  # fmt: skip
    with Trace(tmp_path) as trace:
        assert trace.meta["reason"] == "failed"
        assert len(trace.table("ps/evals")) >= 1
        steps = [len(trace.table(f"workers/{w}/steps")) for w in trace.workers]
    assert steps == ([0, 0] if model != "WaitsForEver" else [1 if not options else 3, 1])


@dataclass(frozen=True)
class PullsInFlight(SyncModel):
    def next_action(self, now, me, board):
        if me.in_flight:
            return Pull()
        return Commit() if me.steps_since_commit else Step()


@dataclass(frozen=True)
class CommitsInFlight(SyncModel):
    def next_action(self, now, me, board):
        return Commit() if me.steps else Step()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("PullsInFlight", "worker 0: a pull while a commit is in flight"),
        ("CommitsInFlight", "worker 0: a second commit while one is in flight"),
    ],
)
def test_nothing_else_is_sent_while_a_commit_is_in_flight(
    tmp_path: Path, model: str, message: str
) -> None:
    with pytest.raises(RuntimeError, match=message):
        play(tmp_path, f"{HERE}:{model}", profile_of([1.0], 0.5))


def test_a_bug_in_a_model_is_no_end_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(StopIteration):
        play(tmp_path, f"{HERE}:Broken", profile_of([1.0, 1.0]))
    with Trace(tmp_path) as trace:
        assert trace.meta["reason"] == "failed" and len(trace.table("workers/0/steps")) == 1


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_loss_that_is_not_finite_ends_the_run_and_the_last_good_model_stays(
    tmp_path: Path,
) -> None:
    with pytest.raises(AdspError, match=r"loss became (inf|nan)"):
        play(tmp_path, "asp", profile_of([1.0, 1.5]), train={"local_lr": 1e15})
    assert np.isfinite(np.load(tmp_path / "model.npy")).all()
    with Trace(tmp_path) as trace:
        assert trace.meta["reason"] == "failed"
        assert len(trace.table("workers/0/steps")) >= 1


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_global_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    """The commit of the first step lands in the middle of the second."""
    with pytest.raises(AdspError, match=r"the global loss became (inf|nan) after 12.0 s; the last"):
        play(
            tmp_path, "asp", profile_of([10.0], 1.5),
            sync={"global_lr": 1e39}, eval={"period_s": 1.0},
        )  # fmt: skip
    assert np.isfinite(np.load(tmp_path / "model.npy")).all()


def test_stopped_from_outside_it_ends_in_order(tmp_path: Path) -> None:
    from adsp_mpi.sim.run import simulate
    from tests.unit.simulated import config_of

    looks: list[int] = []

    def stopped() -> bool:
        looks.append(1)
        return len(looks) > 20

    config = config_of("asp", eval={"period_s": 1.0})
    done = simulate(config, tmp_path, profile=profile_of([1.0, 2.0]), stopped=stopped)
    assert done.report.reason == "stopped by a signal" and done.trace_path
    assert done.model_path and done.model_path.exists()
