"""Metrics that are no means of batch means."""

import torch
from torch import nn

from adsp_mpi.learn.batch import Batch
from adsp_mpi.learn.evaluator import Evaluator
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.task import Task
from adsp_mpi.own_loop.workload import LoopJudge


class Precision:
    """True positives over all positives."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.right = self.given = 0

    def update(self, given: torch.Tensor, wanted: torch.Tensor) -> None:
        self.right += int((given & wanted).sum())
        self.given += int(given.sum())

    def compute(self) -> torch.Tensor:
        return torch.tensor(self.right / self.given)


def test_a_tasks_metric_accumulates_over_all_batches_and_begins_anew() -> None:
    """In 300 samples, two batches, 257 are taken for positive and 2 of them are."""
    given = torch.arange(300) < 257
    wanted = (torch.arange(300) == 3) | (torch.arange(300) == 256)
    precision = Precision()

    def metrics(model: nn.Module, batch: Batch) -> dict[str, object]:
        precision.update(*batch)
        return {"precision": precision, "share": batch[0].float().mean()}

    task = Task(
        lambda: nn.Linear(1, 1),
        (given, wanted),
        (given, wanted),
        loss=lambda model, batch: model.weight.sum() * 0,
        metrics=metrics,  # type: ignore[arg-type]
    )
    evaluator = Evaluator(task, FlatModel(task.make_model()), samples=0, seed=1)
    for _ in range(2):
        found = evaluator.evaluate()
        assert abs(found["test_precision"] - 2 / 257) < 1e-6
        assert abs(found["test_share"] - 257 / 300) < 1e-6


def test_a_loops_metric_begins_anew() -> None:
    precision = Precision()

    def evaluate(model: nn.Module) -> dict[str, object]:
        precision.update(torch.tensor([True, True]), torch.tensor([True, False]))
        return {"loss": torch.tensor(1.0), "precision": precision}

    judge = LoopJudge([nn.Linear(1, 1)], evaluate)  # type: ignore[arg-type]
    for _ in range(2):
        assert judge.evaluate() == {"loss": 1.0, "precision": 0.5}
        assert precision.given == 0
