"""Loader processes that read a task's data ahead: the same training as without them."""

import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, get_worker_info

from adsp_mpi.config import Config
from adsp_mpi.core.board import Board
from adsp_mpi.core.dealing import BoardCounter, Redealer, held_ranges
from adsp_mpi.core.row import Row
from adsp_mpi.learn.batch import Batch
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.loader import kill_readers
from adsp_mpi.learn.sample_order import BatchOrder, DealtOrder, Order, SampleOrder
from adsp_mpi.learn.task import Task
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.learn.updates import LearningRate, LocalStep
from adsp_mpi.runtime.task_workload import TaskWorkload
from tests.unit.simulated import play, profile_of

SAMPLES = 23
SIZES = (4, 4, 5, 5, 5, 2, 4, 4, 4, 7)


MADE: list[Trainer] = []


@pytest.fixture(autouse=True)
def all_processes_end() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().close()
    assert not multiprocessing.active_children()


class Points(Dataset):
    """Sample i is a point and i; where it was read is told too."""

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, i: int) -> dict[str, Any]:
        point = torch.tensor([np.sin(i), np.cos(i), 1.0], dtype=torch.float32)
        return {"i": i, "point": point, "ahead": bool(get_worker_info())}


class PointsHere(Points):
    """Points that no other process may read."""

    def __getitem__(self, i: int) -> dict[str, Any]:
        assert get_worker_info() is None
        return super().__getitem__(i)


def points_here() -> Task:
    def loss(model: nn.Module, batch: Batch) -> torch.Tensor:
        return (model(batch["point"]) ** 2).mean()

    return Task(make_model, PointsHere(), PointsHere(), loss, lambda model, batch: {})


class NoisyPoints(Points):
    def __getitem__(self, i: int) -> dict[str, Any]:
        return {**super().__getitem__(i), "noise": torch.rand(())}


def make_model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))


class Trained:
    """A trainer of a model with dropout on points, and all batches that it trained on."""

    def __init__(self, order: Order, loaders: int, parts: int = 1, data: Any = None) -> None:
        torch.manual_seed(3)
        data = data or Points()
        self.batches = batches = []

        def loss(model: nn.Module, batch: Batch) -> torch.Tensor:
            batches.append(batch)
            return (model(batch["point"]) ** 2).mean()

        task = Task(make_model, data, data, loss, lambda model, batch: {})
        self.model = FlatModel(task.make_model())
        how, rate = LocalStep(accumulate=parts), LearningRate(0.1, 1, 1)
        self.trainer = Trainer(task, self.model, lambda share: order, 0, rate, how, loaders)
        MADE.append(self.trainer)

    def steps(self, *sizes: int) -> list[float]:
        return [self.trainer.step(size) for size in sizes]

    def trained_on(self, name: str) -> list[Any]:
        return [value for batch in self.batches for value in batch[name].tolist()]


def own_order() -> BatchOrder:
    return BatchOrder(np.arange(SAMPLES), np.random.default_rng(5))


def dealt_order(board: Board, worker: int = 0) -> DealtOrder:
    order = DealtOrder(SAMPLES, board.num_workers, seed=5)
    order.hand.connect(worker, Row(board.rows[worker]), board, BoardCounter(board))
    return order


def made_order(kind: str) -> Order:
    return own_order() if kind == "own" else dealt_order(Board(1))


KINDS = pytest.mark.parametrize("kind", ["own", "dealt"])


@KINDS
@pytest.mark.parametrize("parts", [1, 3])
def test_training_is_the_same_to_the_bit_with_loaders_and_without(kind: str, parts: int) -> None:
    """Also where the batch size changes, and the samples read ahead are read again."""
    here = Trained(made_order(kind), 0, parts)
    losses = here.steps(*SIZES)
    ahead = Trained(made_order(kind), 2, parts)
    assert ahead.steps(*SIZES) == losses
    assert ahead.trained_on("i") == here.trained_on("i")
    assert torch.equal(ahead.model.values, here.model.values)
    assert all(ahead.trained_on("ahead")) and not any(here.trained_on("ahead"))


@KINDS
@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 0), (0, 2)])
def test_a_resumed_worker_goes_on_with_the_sample_after_the_last_one_trained_on(
    kind: str, before: int, after: int
) -> None:
    whole = Trained(made_order(kind), 0)
    whole.steps(*SIZES)
    board = Board(1)

    def order() -> Order:
        return own_order() if kind == "own" else dealt_order(board)

    first = Trained(order(), before)
    first.steps(*SIZES[:5])
    then = Trained(order(), after)
    then.trainer.load_state_dict(first.trainer.state_dict())
    then.steps(*SIZES[5:])
    assert first.trained_on("i") + then.trained_on("i") == whole.trained_on("i")


def test_every_dealt_sample_is_trained_on_once_or_is_in_a_row_of_the_board() -> None:
    """Two workers, one three times as fast, less than a pass of both."""
    board = Board(2)
    workers = [Trained(dealt_order(board, worker), 1) for worker in range(2)]
    for number in range(6):
        workers[0].steps(2)
        if number % 3 == 0:
            workers[1].steps(2)
    trained = Counter(workers[0].trained_on("i") + workers[1].trained_on("i"))
    assert set(trained.values()) == {1} and len(trained) == 16
    order = SampleOrder(SAMPLES, seed=5)
    held = [
        sample
        for worker in range(2)
        for first, size in held_ranges(board, worker)
        for sample in order.samples(first, size)
    ]
    assert set(order.samples(0, board.dealt)) <= {*trained, *held}


def test_what_was_read_ahead_is_forgotten_where_it_has_been_given_to_others() -> None:
    board = Board(2)
    worker = Trained(dealt_order(board), 1)
    worker.steps(2, 2)
    Redealer(board).collect(0)
    dealt = board.dealt
    worker.trainer.begin_anew()
    assert held_ranges(board, 0) == []
    worker.steps(2, 2)
    expected = SampleOrder(SAMPLES, seed=5).samples(dealt, 4)
    assert worker.trained_on("i")[4:] == expected.tolist()


def test_a_worker_that_takes_another_share_reads_that_one() -> None:
    shares = [BatchOrder(np.arange(k, k + 8), np.random.default_rng(1)) for k in (0, 10)]
    worker = Trained(shares[0], 1)
    worker.trainer._order_of = lambda share: shares[share]
    worker.steps(4, 4)
    worker.trainer.take_share(1)
    worker.steps(4, 4)
    assert sorted(worker.trained_on("i")) == [*range(8), *range(10, 18)]


def test_random_numbers_of_loaders_come_from_the_ranks_seed_and_are_new_after_a_resume() -> None:
    first, same, resumed = (Trained(own_order(), 1, data=NoisyPoints()) for _ in range(3))
    first.steps(4, 4)
    same.steps(4, 4)
    seen = first.trained_on("noise")
    assert same.trained_on("noise") == seen
    resumed.trainer.load_state_dict(first.trainer.state_dict())
    resumed.steps(4, 4)
    assert not set(resumed.trained_on("noise")) & set(seen)


def test_processes_end_with_the_trainer() -> None:
    worker = Trained(own_order(), 2)
    worker.steps(4)
    assert len(multiprocessing.active_children()) == 2
    worker.trainer.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_to_all_processes_of_a_job_is_left_to_the_rank(number: int) -> None:
    """It takes its last steps after that, and is not kept waiting when it exits."""
    worker = Trained(own_order(), 1)
    worker.steps(4)
    (process,) = multiprocessing.active_children()
    assert process.pid
    os.kill(process.pid, number)
    worker.steps(4, 4, 4, 4)
    handler = signal.getsignal(signal.SIGCHLD)
    kill_readers()
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL
    worker.trainer.close()
    signal.signal(signal.SIGCHLD, handler)


def test_tensors_are_read_without_loaders() -> None:
    data = torch.ones(SAMPLES, 3), torch.ones(SAMPLES)
    task = Task(lambda: nn.Linear(3, 1), data, data, lambda model, batch: model(batch[0]).mean())
    model, rate = FlatModel(task.make_model()), LearningRate(0.1, 1, 1)
    trainer = Trainer(task, model, lambda share: own_order(), 0, rate, loaders=2)
    trainer.step(4)
    assert not multiprocessing.active_children()


def test_in_virtual_time_everything_is_read_in_one_process(tmp_path: Path) -> None:
    def losses(loaders: int) -> list[list[float]]:
        train = {"loaders": loaders, "batch_size": 4}
        settings = {"task": {"name": f"{__name__}:points_here"}, "stop": {"max_steps": 5}}
        folder, profile = tmp_path / str(loaders), profile_of([1.0, 2.0])
        played = play(folder, "asp", profile, train=train, **settings)
        return [table["loss"].tolist() for table in played.tables("steps")]

    assert losses(2) == losses(0)


@pytest.mark.filterwarnings("error")
def test_loaders_that_change_nothing_or_are_more_than_the_cores_are_noted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def notes(task: Task, loaders: int) -> list[str]:
        config = Config().with_values({"train": {"loaders": loaders}}, "test")
        return list(TaskWorkload(task, config, 1, 0).notes)

    monkeypatch.setattr("os.sched_getaffinity", lambda process: {5})
    tensors = (torch.ones(4, 3),)
    in_memory = Task(make_model, tensors, tensors)
    assert notes(in_memory, 0) == notes(points_here(), 0) == notes(points_here(), 1) == []
    assert "changes nothing" in "".join(notes(in_memory, 1))
    assert "train.loaders = 2, but rank 0 may use no more than 1" in "".join(
        notes(points_here(), 2)
    )
    Trained(own_order(), 2).steps(4)


def test_an_error_in_a_loader_is_an_error_of_the_step() -> None:
    class Broken(Points):
        def __getitem__(self, i: int) -> dict[str, Any]:
            raise OSError(f"sample {i}: no such file")

    worker = Trained(own_order(), 1, data=Broken())
    with pytest.raises(OSError, match=r"sample .*: no such file"):
        worker.steps(4)
