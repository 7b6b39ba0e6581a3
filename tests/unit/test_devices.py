"""Which device and how many threads a rank has; GPUs are made up."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.device import find_device
from adsp_mpi.learn.device_names import device_of, parse_devices
from adsp_mpi.own_loop.run import Run
from adsp_mpi.own_loop.workload import LoopWorkload
from adsp_mpi.runtime.threads import fair_threads, own_cores


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("name", "gpus", "found"),
    [
        ("auto", 0, ["cpu", "cpu", "cpu"]),
        ("auto", 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda:1", 2, ["cuda:1", "cuda:1", "cuda:1"]),
        ("cpu", 2, ["cpu", "cpu", "cpu"]),
    ],
)
def test_the_gpus_of_a_host_are_dealt_out(
    monkeypatch: pytest.MonkeyPatch, name: str, gpus: int, found: list[str]
) -> None:
    with_gpus(monkeypatch, gpus)
    assert [str(find_device(name, node_rank)) for node_rank in range(3)] == found


@pytest.mark.parametrize(("name", "gpus"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_a_gpu_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, gpus: int
) -> None:
    with_gpus(monkeypatch, gpus)
    with pytest.raises(UsageError, match=f"run.device = {name}, but torch sees"):
        find_device(name, 0)


def test_a_list_names_a_device_for_each_worker() -> None:
    names = parse_devices("cuda, cuda:1,cpu")
    assert [device_of(names, worker, 3) for worker in (-1, 0, 1, 2)] == [
        "cuda", "cuda", "cuda:1", "cpu",
    ]  # fmt: skip
    assert device_of(["auto"], 5, 9) == "auto"
    with pytest.raises(ValueError, match="names 3 devices for 4 workers"):
        device_of(names, 0, 4)
    for wrong in ("tpu", "", "cuda,", "cuda:x"):
        with pytest.raises(UsageError, match="there are auto, cpu, cuda and cuda:N"):
            Config().with_values({"run": {"device": wrong}}, "test")


def test_threads_by_hand() -> None:
    """Two ranks share eight cores of host a, one has four of its own there; host b is another."""
    low, high = frozenset(range(8)), frozenset(range(8, 12))
    cores = [("a", low), ("a", low), ("a", high), ("b", low)]
    assert [fair_threads(0, rank, cores) for rank in range(4)] == [4, 4, 4, 8]
    assert [fair_threads(3, rank, cores) for rank in range(4)] == [3] * 4
    assert fair_threads(0, 0, [own_cores()]) >= 1


@given(st.lists(st.sampled_from([("a", 4), ("a", 7), ("b", 4)]), min_size=1))
def test_ranks_never_have_more_threads_than_cores_unless_they_outnumber_them(
    hosts: list[tuple[str, int]],
) -> None:
    cores = [(host, frozenset(range(count))) for host, count in hosts]
    for rank, mine in enumerate(cores):
        threads = fair_threads(0, rank, cores)
        assert threads == 1 or threads * cores.count(mine) <= len(mine[1])


def a_run(**host: Any) -> Run:
    model = nn.Linear(1, 1)
    workload = LoopWorkload([model], [torch.optim.SGD(model.parameters(), 0.1)], None, "test")
    return Run(SimpleNamespace(**host), workload)  # type: ignore[arg-type]


def test_workers_find_their_part_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    a_run(simulated=False, server=True, share=(0, 3)).shard_by_environment()
    assert not set(names) & set(os.environ), "rank 0 is no worker"
    a_run(simulated=False, server=False, share=(2, 3)).shard_by_environment()
    assert [os.environ.get(name) for name in names] == ["2", "3", "1", None]
    with pytest.raises(UsageError, match="in virtual time all workers are one process"):
        a_run(simulated=True, server=False, share=(2, 3)).shard_by_environment()
