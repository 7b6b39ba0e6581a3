"""Processes that simulate one configuration after another."""

import signal
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Iterator, Protocol, Sequence

from adsp_mpi.analysis.experiments.outcome import Outcome, Run
from adsp_mpi.config import Config
from adsp_mpi.errors import AdspError

SPAWN = get_context("spawn")


class Places(Protocol):
    """A place where runs are started, and from which their outcomes come."""

    @property
    def free(self) -> bool:
        """Whether one more run can be started."""

    def start(self, key: str, config: Config) -> None:
        """Begin a run."""

    def finished(self) -> list[tuple[str, Outcome]]:
        """Wait until a run is over; returns all that are."""

    def close(self) -> None:
        """End all runs in progress at once."""


class HerePlace:
    """One run at a time, in this process."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._started: list[tuple[str, Config]] = []

    @property
    def free(self) -> bool:
        return not self._started

    def start(self, key: str, config: Config) -> None:
        self._started.append((key, config))

    def finished(self) -> list[tuple[str, Outcome]]:
        key, config = self._started.pop()
        return [(key, self._run(config))]

    def close(self) -> None:
        self._started.clear()


@dataclass
class Worker:
    """A process and this end of the pipe to it; `key` names its run, "" if it has none."""

    process: Any
    pipe: Connection
    key: str = ""


class ProcessPlaces:
    """At most `jobs` processes, each started when it is first needed.

    With `one_run_each` every run has a new process, so that its memory can be measured.
    """

    def __init__(self, jobs: int, run: Run, one_run_each: bool = False) -> None:
        self._jobs, self._run, self._one_run_each = jobs, run, one_run_each
        self._workers: list[Worker] = []

    @property
    def free(self) -> bool:
        return len(self._workers) < self._jobs or any(not w.key for w in self._workers)

    def start(self, key: str, config: Config) -> None:
        worker = next((w for w in self._workers if not w.key), None) or self._new_worker()
        worker.key = key
        worker.pipe.send(config)

    def finished(self) -> list[tuple[str, Outcome]]:
        busy = {worker.pipe: worker for worker in self._workers if worker.key}
        results = []
        for pipe in wait(list(busy)):
            worker = busy[pipe]  # type: ignore[index]
            results.append((worker.key, self._result(worker)))
            worker.key = ""
            if self._one_run_each:
                self._end([worker])
        return results

    def close(self) -> None:
        self._end(list(self._workers))

    def _end(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()
            self._workers.remove(worker)

    def _new_worker(self) -> Worker:
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=_serve, args=(theirs, self._run), daemon=True)
        with _without_interrupts():
            process.start()
        theirs.close()
        self._workers.append(Worker(process, ours))
        return self._workers[-1]

    @staticmethod
    def _result(worker: Worker) -> Outcome:
        try:
            result = worker.pipe.recv()
        except EOFError:
            worker.process.join()
            code = worker.process.exitcode
            raise AdspError(
                f"a simulating process ended with {code}, possibly for lack of memory; "
                "the finished runs are kept: start again, with fewer jobs"
            ) from None
        if isinstance(result, Exception):
            raise result
        return result


def _serve(pipe: Connection, run: Run) -> None:
    """Simulate the configurations that the pipe delivers; the parent re-raises a run's error."""
    while True:
        try:
            config = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(run(config))
        except AdspError as error:
            pipe.send(error)
        except Exception:  # whatever it is, it need not survive pickling: its traceback does
            pipe.send(RuntimeError(traceback.format_exc()))


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """A context whose child processes ignore Ctrl-C: this process ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
