"""DataLoaders whose processes read a task's data ahead, beside a rank."""

import atexit
import multiprocessing
import signal
from multiprocessing.context import ForkContext, ForkProcess
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
        multiprocessing_context=ReaderContext(),
        worker_init_fn=leave_signals_to_the_rank,
        persistent_workers=persistent,
        generator=torch.Generator().manual_seed(seed),
    )


class Reader(ForkProcess):
    """A loader process, which only its rank ends: it may be needed until that has ended in order.

    Launchers and Slurm send SIGTERM to all processes of a job, and terminals Ctrl-C.
    """

    def terminate(self) -> None:
        self.kill()


class ReaderContext(ForkContext):
    Process = Reader


def leave_signals_to_the_rank(loader: int) -> None:
    """In a loader process: ignore what asks a rank to end in order."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


@atexit.register
def kill_readers() -> None:
    """Kill those that are left when a rank exits; multiprocessing would wait for them."""
    left = [child for child in multiprocessing.active_children() if isinstance(child, Reader)]
    if left:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch's own handler raises an error
    for child in left:
        child.kill()


class QuietLoader(DataLoader):
    """A DataLoader that does not warn on every rank that there are few cores; rank 0 says it."""

    def check_worker_number_rationality(self) -> None: ...
