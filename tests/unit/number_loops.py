"""Training loops that note which numbers they are given."""

from pathlib import Path
from typing import Any, Callable

import torch
from torch.utils.data import DataLoader, Dataset

import adsp_mpi
from tests.unit.constant_task import RATE, make_model
from tests.unit.own_loops import SEEN


class Numbers(Dataset):
    """The numbers from 0 on, each of which notes that it was looked up."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        SEEN["looked up"].append(index)
        return torch.tensor(float(index))


def numbers(fixed: bool, each_step: Callable[[Any], Any] = lambda _: None) -> None:
    """Notes which of 40 numbers each worker is given, in batches of 3."""
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    run = adsp_mpi.join(model, optimizer, evaluate=lambda module: 1.0)
    SEEN["looked up"].clear()
    loader = DataLoader(run.shard(Numbers(40), fixed), 3, shuffle=not fixed)
    for batch in run(loader):
        SEEN["length of the loader"].append(len(loader))
        SEEN[f"numbers of {run.index}"] += batch.tolist()
        optimizer.zero_grad()
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
        each_step(run)


def two_sets() -> None:
    """A batch of 3 of 40 numbers and one of 2 of 10 others in each step."""
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    run = adsp_mpi.join(model, optimizer, evaluate=lambda module: 1.0)
    first, second = (
        DataLoader(run.shard(Numbers(count)), size, shuffle=True)
        for count, size in ((40, 3), (10, 2))
    )
    for batch, other in zip(run(first), run(second), strict=True):
        SEEN[f"numbers of {run.index}"] += batch.tolist()
        SEEN[f"others of {run.index}"] += other.tolist()
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()


def numbers_to_files() -> None:
    """Writes the numbers that this worker is given to a file of its own."""
    numbers(fixed=False)
    for name, given in SEEN.items():
        if name.startswith("numbers of"):
            Path(f"{name}.txt").write_text(" ".join(map(str, given)))
