"""A worker's protocol by hand: what it does next, shows and records, without an engine."""

import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from adsp_mpi.core.actions import Commit, Leave, Pause, Pull, Step, Targets, Wait, WorkerAction
from adsp_mpi.core.board import Board, PauseReason, Presence, Stage
from adsp_mpi.core.row import Row
from adsp_mpi.core.worker import Worker
from adsp_mpi.core.worker_state import WorkerState
from adsp_mpi.core.worker_tables import Tables
from adsp_mpi.errors import AdspError


@dataclass
class Says:
    """A scheme that returns what it is told to, and remembers the lags that it saw."""

    action: WorkerAction = field(default_factory=Step)
    commits_leftovers: bool = True
    lags: list[int] = field(default_factory=list)

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        self.lags.append(me.lag)
        return self.action


class Bench:
    """One worker of two, its board and its rows."""

    def __init__(self, max_steps: float = math.inf, **scheme: Any) -> None:
        self.board = Board(2)
        self.says = Says(**scheme)
        self.rows: list[tuple[Any, ...]] = []
        self.row = Row(self.board.rows[0])
        record = self.rows
        tables = Tables(*(lambda *v, n=name: record.append((n, *v)) for name in Tables._fields))
        self.me = Worker(0, self.says, 32, self.row, tables, max_steps)

    def next(self, now: float, action: WorkerAction | None = None) -> Any:
        self.says.action = action or self.says.action
        return self.me.next(now, self.board)

    def step(self, now: float) -> None:
        assert self.next(now, Step()) == Step()
        self.me.stepped(now, 1.0, 0.5, loss=2.0)

    def commit(self, now: float, landed_before: int = 0) -> None:
        assert self.next(now, Commit()) == Commit()
        self.me.commit_begun(now)
        self.me.commit_landed(landed_before, sent_bytes=100)
        self.me.commit_done(now + 2.0, blocked_s=0.25)


def test_what_was_done_is_counted_shown_and_recorded() -> None:
    bench = Bench()
    bench.board.targets = Targets(check_period_s=9.0)
    bench.step(1.0)
    bench.commit(3.0, landed_before=4)
    assert bench.next(6.0, Pull(keep_local=True)) == Pull(keep_local=True)
    bench.me.pulled(6.0, 0.5, 0.5, keep_local=True, landed=7)
    nan = pytest.approx(math.nan, nan_ok=True)
    assert bench.rows == [
        ("steps", 1.0, 1.0, 0.5, 2.0, 32, 1, nan),
        ("commits", 3.0, 5.0, 1, 1, 4, 0.25, 100, 1, nan),
        ("pulls", 6.0, 0.5, True, 1, nan),
    ]
    shown = {name: getattr(bench.row, name) for name in ("steps", "begun", "commits", "rounds")}
    assert shown == {"steps": 1, "begun": 1, "commits": 1, "rounds": 1}
    assert (bench.row.pulls, bench.row.commit_s, bench.row.sent_mb) == (1, 0.75, 1e-4)
    assert bench.row.staleness == 4 and bench.me.commit_s == 2.0


def test_a_commit_is_shown_before_it_counts_as_done() -> None:
    """So nobody who goes by the worker's own counts is ahead of the board."""
    bench = Bench()
    bench.step(0.0)
    bench.me.commit_begun(2.0)
    assert bench.me.in_flight and bench.row.begun == 1
    bench.me.commit_landed(0, sent_bytes=4)
    assert bench.row.commits == 1 and bench.me.in_flight and bench.me.commits == 0
    bench.me.commit_done(3.0, 0.0)
    assert not bench.me.in_flight and bench.me.commits == 1


def test_only_one_commit_at_a_time() -> None:
    bench = Bench()
    with pytest.raises(RuntimeError, match="not begun"):
        bench.me.commit_done(1.0, 0.0)
    bench.me.commit_begun(1.0)
    with pytest.raises(RuntimeError, match="a second commit"):
        bench.me.commit_begun(2.0)
    with pytest.raises(RuntimeError, match="a pull while a commit"):
        bench.me.pulled(2.0, 0.0, 0.0, False, 1)


def test_the_lag_is_known_before_the_commit() -> None:
    bench = Bench()
    bench.me.landed_at_base = 3
    for landed, lag in ((3, 0), (5, 2), (2, 0)):  # a board that is behind says nothing
        bench.board.counters[0] = landed
        bench.next(1.0, Step())
        assert bench.says.lags[-1] == lag
    bench.board.counters[0] = 9
    bench.commit(1.0, landed_before=9)
    assert bench.says.lags[-1] == 6 == bench.me.staleness
    bench.board.counters[0] = 10
    bench.next(4.0, Step())
    assert bench.says.lags[-1] == 0, "its own commit is no lag"


def test_a_wait_ends_with_the_next_action() -> None:
    bench = Bench()
    for now in (1.0, 2.0, 3.0):
        assert bench.next(now, Wait("others")) == Wait("others")
    assert bench.rows == []
    bench.step(4.5)
    assert bench.rows[0][:4] == ("waits", 1.0, 3.5, "others")
    assert bench.row.wait_s == 3.5 and bench.me.waits == 1


def test_an_action_that_is_none_is_refused() -> None:
    bench = Bench()
    with pytest.raises(AdspError, match=r"Says.next_action returned 'faster'.*Pull\(\) or Wait"):
        bench.next(1.0, "faster")  # type: ignore[arg-type]


@pytest.mark.parametrize("commits_leftovers", [True, False])
def test_what_is_left_at_the_last_step_is_committed_once(commits_leftovers: bool) -> None:
    bench = Bench(max_steps=1, commits_leftovers=commits_leftovers)
    bench.step(0.0)
    if commits_leftovers:
        bench.commit(2.0)
    assert bench.next(5.0, Step()) == Leave()
    bench.me.left()
    assert bench.row.presence == Presence.LEFT and bench.me.steps_since_commit == (
        not commits_leftovers
    )


def test_leftovers_wait_for_the_commit_in_flight() -> None:
    bench = Bench(max_steps=2)
    bench.step(0.0)
    bench.me.commit_begun(2.0)
    bench.step(2.0)
    assert bench.next(4.0, Step()) == Leave() and bench.me.in_flight
    bench.me.commit_landed(0, 4)
    bench.me.commit_done(5.0, 0.0)
    assert bench.next(5.0, Step()) == Commit()


def test_a_pause_waits_for_the_commit_in_flight_and_ends_other_waits() -> None:
    bench = Bench()
    bench.step(0.0)
    bench.me.commit_begun(2.0)
    bench.next(2.0, Wait("others"))
    bench.board.stage = Stage.PAUSE
    assert isinstance(bench.next(3.0), Pause) and not bench.me.paused
    assert bench.rows[-1][:3] == ("waits", 2.0, 1.0)
    bench.me.commit_landed(0, 4)
    bench.me.commit_done(4.0, 0.0)
    assert isinstance(bench.next(4.0), Pause) and bench.me.paused
    assert bench.row.presence == Presence.PAUSED


def test_what_is_due_in_a_pause_is_asked_for_once() -> None:
    bench = Bench()
    bench.step(0.0)
    board, me = bench.board, bench.me
    board.stage, board.checkpoint = Stage.PAUSE, 7
    assert bench.next(2.0).due == "" and bench.next(2.0).due == Pause.SAVE
    me.saved(7, error=28)
    board.restores = 1
    assert bench.next(3.0).due == Pause.RESTORE
    me.restored(3.0, landed=5, restores=1)
    assert bench.next(3.5).due == "" and (me.rounds, me.steps_since_commit, me.lag) == (0, 0, 0)
    board.stage = Stage.TRAIN
    assert bench.next(4.0, Step()) == Step()
    assert (bench.row.checkpoint, bench.row.disk_error, bench.row.restores) == (7, 28, 1)
    assert bench.rows[-1][:3] == ("waits", 2.0, 2.0)


def test_a_pause_records_why() -> None:
    """Also where one pause follows the other before the worker looks again."""
    bench = Bench()
    for now, reason in enumerate(PauseReason):
        bench.board.pause(reason)
        assert bench.next(float(now)).reason == reason.name.lower()
    bench.board.stage = Stage.TRAIN
    bench.step(5.0)
    rows = [row[1:4] for row in bench.rows if row[0] == "waits"]
    assert rows == [(0.0, 1.0, "snapshot"), (1.0, 1.0, "checkpoint"), (2.0, 3.0, "admission")]
    assert bench.row.presence == Presence.TRAINING


def test_the_rest_of_a_step_comes_after_the_pause() -> None:
    """A pause does not make a slow worker faster, also where another pause cuts the rest."""
    bench = Bench()
    bench.me.rest_s = 3.0
    bench.board.stage = Stage.PAUSE
    bench.next(1.0)
    bench.board.stage = Stage.TRAIN
    assert bench.next(5.0).until_s == 8.0 and bench.row.presence == Presence.TRAINING
    bench.board.stage = Stage.PAUSE
    assert isinstance(bench.next(6.0), Pause) and bench.me.rest_s == 2.0
    bench.board.stage = Stage.TRAIN
    assert bench.next(10.0).until_s == 12.0
    assert bench.next(12.0, Step()) == Step()
    assert [row[1:3] for row in bench.rows] == [(1.0, 5.0), (6.0, 6.0)]


def test_a_worker_outside_pauses_until_it_is_admitted() -> None:
    bench = Bench()
    bench.step(0.0)
    board, me = bench.board, bench.me
    board.assignment("lost")[0] = 1
    assert bench.next(2.0).due == ""
    board.stage = Stage.PAUSE
    said = {"from_steps": 20, "from_commits": 6, "from_rounds": 6, "from_pulls": 5}
    for name, value in {**said, "admitted": 1}.items():
        board.assignment(name)[0] = value
    assert bench.next(8.0).due == Pause.ADMIT
    me.admitted(9.0, 30, board)
    board.assignment("lost")[0] = 0
    board.stage = Stage.TRAIN
    assert bench.next(9.5, Step()) == Step()
    assert (me.steps, me.begun, me.commits, me.rounds, me.pulls) == (20, 6, 6, 6, 5)
    assert not me.in_flight and me.steps_since_commit == 0 and me.last_commit_begun_s == 9.0
    assert (bench.row.excused_steps, bench.row.excused_commits, bench.row.steps) == (19, 6, 20)


def test_the_end_of_the_run_ends_a_pause() -> None:
    bench = Bench()
    bench.board.stage = Stage.PAUSE
    bench.next(1.0)
    bench.board.stage = Stage.STOP
    assert bench.next(3.0) == Leave() and bench.rows[-1][:3] == ("waits", 1.0, 2.0)


def test_another_worker_takes_up_its_state() -> None:
    bench, other = Bench(), Bench()
    bench.board.targets = Targets(commit_target=3.0, check_period_s=9.0)
    bench.step(1.0)
    bench.next(2.5, Wait("others"))
    other.me.load_state_dict(bench.me.state_dict())
    assert repr(other.me) == repr(bench.me) and other.me.waiting is not None
    other.board.data[:] = bench.board.data
    assert other.next(4.0, Step()) == Step() and other.rows[0][:3] == ("waits", 2.5, 1.5)
