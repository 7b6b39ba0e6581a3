"""DataLoaders whose processes read a task's data ahead, beside a rank."""

from typing import Iterable

import torch
from torch.utils.data import DataLoader, Dataset

from adsp_mpi.learn.task import Task

READ_BY_EACH = 2
"""A loader process reads this many batches ahead, as torch's do."""


def make_loader(
    task: Task,
    data: Dataset,
    batches: Iterable[list[int]],
    device: torch.device,
    loaders: int,
    seed: int,
    persistent: bool,
) -> DataLoader:
    """A DataLoader of these `batches` of `data`; its processes are `persistent` over its passes.

    They are forks: others would import the main program, and with it MPI, once more.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)  # the thread that pins batches takes the present one
    return QuietLoader(
        data,
        batch_sampler=batches,
        collate_fn=task.collate,
        num_workers=loaders,
        prefetch_factor=READ_BY_EACH,
        pin_memory=device.type == "cuda",
        multiprocessing_context="fork",
        persistent_workers=persistent,
        generator=torch.Generator().manual_seed(seed),
    )


class QuietLoader(DataLoader):
    """A DataLoader that does not warn on every rank that there are few cores; rank 0 says it."""

    def check_worker_number_rationality(self) -> None: ...
