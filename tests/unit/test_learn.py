"""Local SGD, the arithmetic of commits, partitions and tasks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from adsp_mpi.errors import UsageError
from adsp_mpi.learn.evaluator import Evaluator
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.partition import iid
from adsp_mpi.learn.replica import Replica
from adsp_mpi.learn.sample_order import BatchOrder
from adsp_mpi.learn.task import Task
from adsp_mpi.learn.tasks import TASKS, make_task
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.learn.updates import LearningRate

CPU = torch.device("cpu")

FROM_FILES = {"cifar10", "cifar10-small", "fatigue", "svm"}
"""Tasks that cannot be made without files of the user's; test_tasks.py tests these."""


def test_rebasing_loses_no_local_step() -> None:
    """Constant gradients in exact binary fractions: the end is the exact sum of all steps."""
    generator = np.random.default_rng(3)
    server = np.zeros(4, np.float32)
    flats = [FlatModel(nn.Linear(3, 1), CPU) for _ in range(3)]
    for flat in flats:
        flat.values.zero_()
    replicas = [Replica(flat, same_base=True) for flat in flats]
    in_flight = [False] * 3
    steps = np.zeros(3)
    for _ in range(400):
        i = int(generator.integers(3))
        if generator.random() < 0.6:
            flats[i].values += 2.0**-8 * (i + 1)
            steps[i] += 1
        elif not in_flight[i]:
            replicas[i].take_update(1.0)
            in_flight[i] = True
        else:
            replicas[i].answer[:] = server
            server += replicas[i].update
            replicas[i].rebase()
            in_flight[i] = False
    for i in range(3):
        for _ in range(2 if in_flight[i] else 1):
            if not in_flight[i]:
                replicas[i].take_update(1.0)
            replicas[i].answer[:] = server
            server += replicas[i].update
            replicas[i].rebase()
            in_flight[i] = False
    assert (server == 2.0**-8 * (steps * [1, 2, 3]).sum()).all()


def test_a_commit_by_hand() -> None:
    """Base 1, local 3, factor 1/2: update 1; learnt 10 in flight; server was at 5."""
    flat = FlatModel(nn.Linear(1, 1), CPU)
    flat.values.fill_(1.0)
    replica = Replica(flat, same_base=True)
    flat.values.fill_(3.0)
    assert replica.take_update(0.5).tolist() == [1.0, 1.0]
    flat.values += 10.0
    replica.answer[:] = 5.0
    replica.rebase()
    assert flat.values.tolist() == [16.0, 16.0]
    assert replica.take_update(1.0).tolist() == [10.0, 10.0]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_a_commit_by_parts_ends_where_a_whole_one_does(size: int, part: int, seed: int) -> None:
    """The same update in the same bits, and the same local model and base after it."""
    start, learnt, server = np.random.default_rng(seed).standard_normal((3, size), np.float32)
    replicas = []
    for _ in range(2):
        flat = FlatModel(nn.Linear(size, 1, bias=False), CPU)
        flat.values.copy_(torch.from_numpy(start))
        replicas.append(Replica(flat, same_base=True))
        flat.values.add_(torch.from_numpy(learnt))
    whole, by_parts = replicas
    sent = whole.take_update(0.3)
    whole.answer[:] = server
    whole.rebase()
    for first in range(0, size, part):
        piece = slice(first, min(first + part, size))
        update, after = by_parts.take_part(piece, 0.3)
        assert (update == sent[piece]).all()
        after[:] = server[piece] + update
        by_parts.land_part(piece)
    assert by_parts.local.tolist() == by_parts.base.tolist() == whole.base.tolist()
    assert whole.local.tolist() == whole.base.tolist()


def test_averaged_buffers_stay_between_what_the_workers_have() -> None:
    """Stale commits in any order: a variance that every worker sees as 2 to 3 stays there."""
    generator = np.random.default_rng(2)
    modules = [nn.BatchNorm1d(2) for _ in range(4)]
    flats = [FlatModel(module, CPU) for module in modules]
    replicas = [Replica(flat, same_base=False) for flat in flats]
    first = replicas[0].first_buffer
    server = flats[0].values.numpy().copy()
    server[first:] = 2.5
    for _ in range(300):
        i = int(generator.integers(4))
        modules[i].running_mean.fill_(2.0 + generator.random())
        modules[i].running_var.fill_(2.0 + generator.random())
        own = flats[i].values[first:].clone()
        replicas[i].take_update(0.25)
        replicas[i].buffers_answer[:] = server[first:]
        replicas[i].average_buffers(0.25)
        replicas[i].answer[:] = server
        server += replicas[i].update
        replicas[i].rebase()
        assert (server[first:] >= 2).all() and (server[first:] <= 3).all()
        assert torch.equal(flats[i].values[first:], own), "a worker keeps its own buffers"


@given(st.integers(1, 200), st.integers(1, 12), st.integers(0, 5))
def test_iid_parts_are_disjoint_complete_and_even(samples: int, workers: int, seed: int) -> None:
    if samples < workers:
        with pytest.raises(UsageError, match="too few"):
            iid(samples, workers, seed)
        return
    parts = iid(samples, workers, seed)
    assert sorted(np.concatenate(parts)) == list(range(samples))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    again = iid(samples, workers, seed)
    assert all((a == b).all() for a, b in zip(parts, again, strict=True))


def test_batches_cover_a_pass_before_they_repeat() -> None:
    order = BatchOrder(np.arange(10), np.random.default_rng(1))
    seen = np.concatenate([order.next_indices(size) for size in (3, 3, 3, 1, 4, 16)])
    for start in (0, 10, 20):
        assert sorted(seen[start : start + 10]) == list(range(10))


def test_a_step_is_sgd() -> None:
    """Least squares with one weight: w = 1, x = 2, y = 0, gradient 2 x (w x - y) = 8."""
    task = Task(
        make_model=lambda: nn.Linear(1, 1, bias=False),
        train_data=(torch.tensor([[2.0]]), torch.tensor([[0.0]])),
        test_data=(torch.tensor([[2.0]]), torch.tensor([[0.0]])),
        loss=lambda model, batch: ((model(batch[0]) - batch[1]) ** 2).mean(),
        metrics=lambda model, batch: {"error": (model(batch[0]) - batch[1]).abs().mean().item()},
    )
    flat = FlatModel(task.make_model(), CPU)
    flat.values.fill_(1.0)
    order = BatchOrder(np.arange(1), np.random.default_rng(0))
    trainer = Trainer(task, flat, lambda share: order, 0, LearningRate(0.1, 0.5, 1))
    assert trainer.step(1) == 4.0
    assert flat.values.item() == pytest.approx(0.2)
    trainer.step(1)
    assert flat.values.item() == pytest.approx(0.2 - 0.05 * 2 * 2 * 0.4)
    metrics = Evaluator(task, flat, 0, 1).evaluate()
    assert metrics["test_error"] == pytest.approx(2 * flat.values.item())


@pytest.mark.parametrize("data", [[1, 2, 3], (torch.ones(2), torch.ones(3)), None])
def test_other_data_is_refused(data: object) -> None:
    with pytest.raises(UsageError):
        Task(make_model=lambda: nn.Linear(1, 1), train_data=data, test_data=data)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nope", {}, "digits-cnn"),
        ("digits-cnn", {"size": 3}, "its options: none"),
        ("no.such:task", {}, "cannot be loaded"),
        ("os:sep", {}, "not callable"),
        ("os:getcwd", {}, "gave a str"),
    ],
)
def test_bad_tasks_are_named(name: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_task(name, options)


@pytest.mark.parametrize("name", sorted(set(TASKS) - FROM_FILES))
def test_built_in_tasks_have_finite_losses_and_metrics(name: str) -> None:
    torch.manual_seed(0)
    task = make_task(name, {})
    flat = FlatModel(task.make_model(), CPU)
    metrics = Evaluator(task, flat, 200, 1).evaluate()
    assert metrics["loss"] > 0 and all(np.isfinite(list(metrics.values())))
