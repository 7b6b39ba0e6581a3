"""What an evaluation of a task reads, and when."""

import multiprocessing
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, get_worker_info

from adsp_mpi.learn.batch import Batch
from adsp_mpi.learn.evaluator import Evaluator
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.task import Task
from adsp_mpi.mpi.server.judge_thread import JudgeThread
from tests.unit.simulated import play, profile_of

SEEN: list[int] = []
"""The samples that were read in this process."""

SIZES: list[int] = []
"""The sizes of the batches of test data."""


@pytest.fixture(autouse=True)
def nothing_read() -> None:
    SEEN.clear()
    SIZES.clear()


class Numbers(Dataset):
    """Sample i is i, and whether a loader process reads it."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, i: int) -> tuple[float, float]:
        SEEN.append(i)
        return float(i), float(get_worker_info() is not None)


def mean(model: nn.Module, batch: Batch) -> torch.Tensor:
    return (model.weight * batch[0]).mean()


def metrics(model: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
    SIZES.append(len(batch[0]))
    return {"mean": batch[0].mean(), "ahead": batch[1].mean()}


def numbers() -> Task:
    """With the weight 1 the loss of n samples is (n - 1) / 2."""
    return Task(lambda: nn.Linear(1, 1), Numbers(10), Numbers(21), mean, metrics)


def evaluator(task: Task, loaders: int = 0, samples: int = 0) -> tuple[Evaluator, FlatModel]:
    model = FlatModel(task.make_model())
    model.values.fill_(1.0)
    return Evaluator(task, model, samples, seed=1, batch_size=8, loaders=loaders), model


def test_a_dataset_is_read_batch_by_batch_when_it_is_evaluated() -> None:
    judge, _ = evaluator(numbers())
    assert not SEEN
    for times in (1, 2):
        assert judge.evaluate() == {"loss": 4.5, "test_mean": 10.0, "test_ahead": 0.0}
        assert [*range(10), *range(21)] * times == SEEN
    assert SIZES == [8, 8, 5] * 2


def test_every_evaluation_looks_at_the_same_samples() -> None:
    judge, _ = evaluator(numbers(), samples=5)
    for _ in range(2):
        judge.evaluate()
    assert len(SEEN) == 20 and SEEN[:10] == SEEN[10:]


def test_tensors_are_taken_out_once() -> None:
    data = torch.arange(10.0), torch.zeros(10)
    judge, _ = evaluator(Task(lambda: nn.Linear(1, 1), data, data, mean, metrics))
    data[0].zero_()
    assert judge.evaluate()["loss"] == 4.5


def test_loaders_read_for_an_evaluation_in_a_thread_and_end_with_it() -> None:
    judge, model = evaluator(numbers(), loaders=2)
    thread = JudgeThread(model, judge, threads=1)
    for _ in range(2):
        found = thread.judge(torch.ones(2)).result(timeout=60)
        assert found == {"loss": 4.5, "test_mean": 10.0, "test_ahead": 1.0}
        assert not SEEN and not multiprocessing.active_children()


def test_a_dataset_without_samples_needs_no_processes() -> None:
    task = numbers()
    task.test_data = Numbers(0)
    judge, _ = evaluator(task, loaders=1)
    assert judge.evaluate() == {"loss": 4.5}


def test_the_size_of_the_batches_is_a_setting(tmp_path: Path) -> None:
    settings = {"task": {"name": f"{__name__}:numbers"}, "stop": {"max_steps": 1}}
    evaluation = {"batch_size": 6, "samples": 14}
    play(tmp_path, "asp", profile_of([1.0]), eval=evaluation, **settings)
    assert set(SIZES) == {6, 2}
