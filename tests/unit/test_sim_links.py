"""Commits that share the server's bandwidth."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.hetero.profile import Conditions
from adsp_mpi.sim.clock import VirtualClock
from adsp_mpi.sim.links import Links, Transfer, fair_rates

MEGABYTES = 2.0

Sent = tuple[float, Conditions]
"""When, and what the worker's link is like."""


def landings(
    server_mb_s: float, sent: list[Sent], megabytes: float = MEGABYTES, start_s: float = 0.0
) -> list[float]:
    """When each commit has arrived, in the order in which they are given."""
    clock = VirtualClock()
    links = Links(clock, megabytes, server_mb_s)
    landed: dict[int, float] = {}

    def send(number: int, conditions: Conditions) -> None:
        links.send(conditions, lambda: land(number))

    def land(number: int) -> None:
        assert number not in landed, "landed twice"
        landed[number] = clock.now

    for number, (moment, conditions) in enumerate(sent):
        clock.at(start_s + moment, clock.WORKER, lambda n=number, c=conditions: send(n, c))
    events = 0
    while clock.step():
        events += 1
        assert events < 100 * (len(sent) + 1), "it never ends"
    return [landed[number] for number in range(len(sent))]


FREE = Conditions()


def test_without_a_limit_at_the_server_nobody_disturbs_anybody() -> None:
    slow = Conditions(delay_s=1.0, bandwidth_mb_s=0.5)
    assert landings(0.0, [(0.0, FREE), (0.0, slow), (2.0, slow)]) == [0.0, 5.0, 7.0]


def test_one_commit_takes_its_delay_and_its_size_over_the_bandwidth() -> None:
    delayed = Conditions(delay_s=1.5)
    assert landings(4.0, [(1.0, delayed)]) == [1.0 + 1.5 + 0.5]


def test_two_equal_commits_at_once_take_twice_as_long() -> None:
    assert landings(4.0, [(0.0, FREE)]) == [0.5]
    assert landings(4.0, [(0.0, FREE), (0.0, FREE)]) == [1.0, 1.0]


def test_a_slow_link_leaves_its_share_to_the_others() -> None:
    """1 MB/s of 4 go to the slow one for 2 s; the two others have 1.5 MB/s each."""
    slow = Conditions(bandwidth_mb_s=1.0)
    assert landings(4.0, [(0.0, slow), (0.0, FREE), (0.0, FREE)]) == [
        2.0,
        pytest.approx(4 / 3),
        pytest.approx(4 / 3),
    ]


def test_who_comes_later_shares_what_is_left() -> None:
    """Half of the first is there when the second comes; then each has 1 MB/s."""
    assert landings(2.0, [(0.0, FREE), (0.5, FREE)]) == [1.5, 2.0]


def test_a_delay_takes_no_bandwidth() -> None:
    delayed = Conditions(delay_s=5.0)
    assert landings(2.0, [(0.0, FREE), (0.0, delayed)]) == [1.0, 6.0]


@pytest.mark.parametrize("start_s", [0.0, 1e3, 1e6, 1e9])
def test_tiny_commits_arrive_late_in_a_long_run_too(start_s: float) -> None:
    """What is left of one may take less time than the clock can show at that hour."""
    sent = [(0.0, FREE), (1e-3, FREE), (1e-3, Conditions(bandwidth_mb_s=0.3)), (0.5, FREE)]
    arrived = landings(100.0, sent, megabytes=6.4e-5, start_s=start_s)
    assert all(
        start_s + moment <= landed <= start_s + moment + 1e-3
        for (moment, _), landed in zip(sent, arrived, strict=True)
    )


limits = st.one_of(st.just(math.inf), st.floats(0.01, 100))


@given(st.lists(limits, min_size=1, max_size=12), st.floats(0.01, 100))
def test_rates_are_max_min_fair(limits_mb_s: list[float], total_mb_s: float) -> None:
    """Nobody is above its limit; nothing is left that somebody could use; and who is not at its
    limit has as much as anybody, so that more for it would be less for one with no more."""
    transfers = [Transfer(1.0, limit, lambda: None) for limit in limits_mb_s]
    fair_rates(transfers, total_mb_s)
    rates = [t.rate_mb_s for t in transfers]
    assert all(0 < r <= limit for r, limit in zip(rates, limits_mb_s, strict=True))
    assert sum(rates) == pytest.approx(min(total_mb_s, sum(limits_mb_s)))
    for rate, limit in zip(rates, limits_mb_s, strict=True):
        assert rate == limit or rate >= max(rates) * (1 - 1e-9)


def test_fair_rates_by_hand() -> None:
    transfers = [Transfer(1.0, limit, lambda: None) for limit in (5.0, 1.0, math.inf, 2.0)]
    fair_rates(transfers, 9.0)
    assert [t.rate_mb_s for t in transfers] == [3.0, 1.0, 3.0, 2.0]


moments = st.floats(0.0, 10.0)
conditions = st.builds(
    Conditions,
    delay_s=st.sampled_from([0.0, 0.5, 3.0]),
    bandwidth_mb_s=st.sampled_from([0.0, 0.3, 1.0, 7.0]),
)


@given(st.lists(st.tuples(moments, conditions), min_size=1, max_size=15), st.floats(0.1, 20.0))
def test_every_commit_lands_once_and_no_bandwidth_is_made_or_lost(
    sent: list[Sent], server_mb_s: float
) -> None:
    """Whatever lies between two events, the server carries as much as it and the links can."""
    arrived = landings(server_mb_s, sent)
    starts = [moment + c.delay_s for moment, c in sent]
    limits_mb_s = [c.bandwidth_mb_s or math.inf for _, c in sent]
    for start, end, limit in zip(starts, arrived, limits_mb_s, strict=True):
        assert end >= start + MEGABYTES / min(limit, server_mb_s) - 1e-6
    events = sorted({*starts, *arrived})
    carried = 0.0
    for begin, end in pairwise(events):
        under_way = [
            limit
            for s, e, limit in zip(starts, arrived, limits_mb_s, strict=True)
            if s <= begin and end <= e
        ]
        carried += (end - begin) * min(server_mb_s, sum(under_way))
    assert carried == pytest.approx(MEGABYTES * len(sent), rel=1e-6)
