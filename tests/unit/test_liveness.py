"""Who lives, as seen from the processes of this host and from signs of life elsewhere."""

import os
import signal
import subprocess
import sys
from typing import Iterator

import numpy as np
import pytest

from adsp_mpi.core.patience import LOOK_AT_MOST_S, NEEDED_PATIENCE_S, Process
from adsp_mpi.mpi.ranks import liveness
from adsp_mpi.mpi.ranks.liveness import Processes, Watch, look_at, number_space


class Clock:
    """Stands in for the module time."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(liveness, "time", clock)
    return clock


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def state_of(process: subprocess.Popen[bytes], wanted: Process) -> Process:
    """The state that a signal leads to before long."""
    for _ in range(10_000):
        if look_at(process.pid) == wanted:
            break
    return look_at(process.pid)


def test_the_state_of_a_process_is_seen(other: subprocess.Popen[bytes]) -> None:
    assert look_at(os.getpid()) == look_at(other.pid) == Process.RUNNING
    other.send_signal(signal.SIGSTOP)
    assert state_of(other, Process.STOPPED) == Process.STOPPED
    other.kill()
    assert state_of(other, Process.DEAD) == Process.DEAD, "not yet buried"
    other.wait()
    assert look_at(other.pid) == Process.DEAD


def gone_after(clock: Clock, watch: Watch, limit_s: float, speaks: bool = False) -> float | None:
    """When a watch over one rank that may give signs of life found it gone."""
    begun = clock.now
    while clock.now < begun + limit_s:
        if watch.gone(np.array([clock.now if speaks else 0.0])):
            return clock.now - begun
        clock.now += 0.25
    return None


def test_rank_0_is_not_gone_while_its_process_lives_here(
    clock: Clock, other: subprocess.Popen[bytes]
) -> None:
    me, space = os.getpid(), number_space()
    processes = Processes(1, [("a", space, other.pid), ("a", space, me)])
    watch = Watch(processes, [0], with_signs=True)
    assert gone_after(clock, watch, 300) is None
    other.send_signal(signal.SIGSTOP)
    assert gone_after(clock, watch, 300) is None
    other.kill()
    other.wait()
    found_s = gone_after(clock, watch, 300)
    assert found_s is not None and found_s <= NEEDED_PATIENCE_S[Process.DEAD] + 1


@pytest.mark.parametrize("place", [("b", number_space()), ("a", "another container")])
def test_a_rank_elsewhere_is_judged_by_its_signs_alone(
    clock: Clock, place: tuple[str, str]
) -> None:
    everyone = [(*place, os.getpid()), ("a", number_space(), os.getpid())]
    processes = Processes(1, everyone)
    assert processes.look().tolist() == [Process.ELSEWHERE, Process.RUNNING]
    assert gone_after(clock, Watch(processes, [0], with_signs=False), 300) is None
    watch = Watch(processes, [0], with_signs=True)
    assert gone_after(clock, watch, 100, speaks=True) is None
    found_s = gone_after(clock, watch, 100)
    assert found_s == pytest.approx(NEEDED_PATIENCE_S[Process.ELSEWHERE], abs=0.5)


def test_a_watcher_that_was_suspended_itself_does_not_judge_by_it(clock: Clock) -> None:
    everyone = [("b", "", os.getpid()), ("a", "", os.getpid())]
    watch = Watch(Processes(1, everyone), [0], with_signs=True)
    for _ in range(int(NEEDED_PATIENCE_S[Process.ELSEWHERE] / LOOK_AT_MOST_S)):
        assert not watch.gone()
        clock.now += 1000.0


def test_a_dead_process_is_gone_though_memory_it_shared_still_answers(
    clock: Clock, other: subprocess.Popen[bytes]
) -> None:
    space = number_space()
    processes = Processes(1, [("a", space, other.pid), ("a", space, os.getpid())])
    watch = Watch(processes, [0], with_signs=True)
    assert gone_after(clock, watch, 100, speaks=True) is None
    other.kill()
    other.wait()
    assert gone_after(clock, watch, 100, speaks=True) is not None
