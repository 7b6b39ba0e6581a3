"""A thread of rank 0 in which the model is evaluated and written, while the run goes on."""

import queue
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Callable, TypeVar

import torch

from adsp_mpi.core.server_engine import Judged, Judging
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.model_file import write_model
from adsp_mpi.learn.workload import Judge

T = TypeVar("T")


class JudgeThread:
    """Does what needs rank 0's module, one job after the other; it makes no call of MPI.

    Only this thread touches the module, so a model that is being evaluated is not changed.
    """

    def __init__(self, model: FlatModel, judge: Judge | None, threads: int) -> None:
        self._model = model
        self._judge = judge
        self._threads = threads
        self._device = torch.cuda.current_device() if torch.cuda.is_initialized() else None
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._job_done = threading.Event()
        threading.Thread(target=self._work, name="judge", daemon=True).start()

    def judge(self, values: torch.Tensor) -> Judging:
        """Evaluate the model with these values, float32[P], which nobody may change."""
        judge = self._judge
        if judge is None:
            return Judged({})

        def evaluate() -> dict[str, float]:
            self._model.load(values)
            return judge.evaluate()

        return self.do(evaluate)

    def write(self, values: torch.Tensor, path: Path) -> None:
        """In a job: write the model with these values, float32[P], to `path`.

        Raises OSError or RuntimeError if the disk is full.
        """
        self._model.load(values)
        write_model(self._model.module.state_dict(), path)

    def do(self, job: Callable[[], T]) -> "Future[T]":
        """Do `job` in the thread, after those given before; the future has what it returns."""
        future: Future[T] = Future()

        def done() -> None:
            try:
                future.set_result(job())
            except BaseException as error:
                future.set_exception(error)
            self._job_done.set()

        self._jobs.put(done)
        return future

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until a job is done."""
        if self._job_done.wait(seconds):
            self._job_done.clear()

    def _work(self) -> None:
        torch.set_num_threads(self._threads)
        if self._device is not None:
            torch.cuda.set_device(self._device)
        while True:
            self._jobs.get()()
