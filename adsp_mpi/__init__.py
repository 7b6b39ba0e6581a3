"""Train one model on machines of very different speed, over one-sided MPI.

# my_training.py, started with: mpirun -n 8 python my_training.py
import adsp_mpi

run = adsp_mpi.join(model, optimizer, evaluate=validate, settings={"stop": {"max_seconds": 600}})
for x, y in run(DataLoader(run.shard(dataset), 64, shuffle=True)):
    optimizer.zero_grad()
    loss_of(model(x), y).backward()
    optimizer.step()

Without a loop of your own: `adsp_mpi.train(adsp_mpi.Task(make_model, train_data, test_data))`.
"""

from typing import TYPE_CHECKING, Any

from adsp_mpi.mpi.exit import watch_errors, watch_exit

if TYPE_CHECKING:
    from adsp_mpi.api import join, train
    from adsp_mpi.learn.task import Task

__all__ = ["Task", "join", "train"]

watch_errors()


def __getattr__(name: str) -> Any:
    """Names are looked up when used: importing the package loads neither torch nor MPI."""
    if name not in __all__:
        raise AttributeError(f"module 'adsp_mpi' has no attribute {name!r}")
    watch_exit()
    if name in ("join", "train"):
        from adsp_mpi import api

        return getattr(api, name)
    from adsp_mpi.learn.task import Task

    return Task
