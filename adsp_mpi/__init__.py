"""Train one model on machines of very different speed, over one-sided MPI.

# my_training.py, started with: mpirun -n 8 python my_training.py
import adsp_mpi

result = adsp_mpi.train(adsp_mpi.Task(make_model, train_data, test_data),
                        {"sync": {"check_period_s": 1.0}, "stop": {"max_seconds": 600.0}})
if result:  # rank 0
    print(result.report.metrics, result.trace_path)
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
