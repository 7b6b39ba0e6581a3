"""The object that `join` returns: a run as a user's training loop sees it."""

import os
import time
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Callable, Iterable, Iterator, TypeVar

import torch
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.late_loss import LateLoss
from adsp_mpi.learn.steps import Idled, NoMoreSteps, Steps
from adsp_mpi.own_loop.dealt import deal, set_to_deal
from adsp_mpi.own_loop.gradients import GradientExchange, closure_of
from adsp_mpi.own_loop.host import Host
from adsp_mpi.own_loop.shard import sharded
from adsp_mpi.own_loop.step_watch import StepWatch
from adsp_mpi.own_loop.workload import LoopWorkload

T = TypeVar("T")


class Run:
    """A run on this rank. Between two steps of the last optimizer it does all that is due.

        for x, y in run(loader):     # passes over the loader until the run is over
            ...
            optimizer.step()         # here commits begin and land

    On rank 0, which trains nothing, `run(loader)` serves until the run is over and gives no batch.
    With `with adsp_mpi.join(...) as run:` an error inside ends the run on all ranks.
    """

    def __init__(self, host: Host, workload: LoopWorkload) -> None:
        self._host = host
        self._workload = workload
        self._steps: Steps[Any] | None = None
        self._over = False
        self._loss = LateLoss()
        self._exchange: GradientExchange | None = None
        self._dealt: Any = None
        self._watch = StepWatch(workload.model, workload.optimizers)
        self.batch_size = 0
        """The batch size that the scheme plans for this worker; 0 before the first step."""

        self.result: Any = None
        """On rank 0, once the run is over: its results."""

        if workload.commits_gradients:
            self._exchange = GradientExchange(workload)
            workload.optimizers[0].register_step_pre_hook(self._before_step)
        else:
            *others, last = workload.optimizers
            for optimizer in others:
                optimizer.register_step_post_hook(self._watch.step)
            last.register_step_post_hook(self._after_step)

    @property
    def server(self) -> bool:
        """Whether this rank trains nothing: rank 0, another server, or the evaluator."""
        return self._host.server

    @property
    def index(self) -> int:
        """The number of this worker, from 0; -1 on a rank that trains nothing."""
        return self._host.index

    @property
    def workers(self) -> int:
        """The number of workers."""
        return self._host.workers

    @property
    def running(self) -> bool:
        """Whether the run goes on; begins it if it has not begun."""
        self._begin()
        if not self._over:
            self._watch.batch()
        return not self._over

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0 to 1, for schedules: the same on every worker."""
        return 1.0 if self._over else self._host.progress

    def __call__(self, batches: Iterable[T]) -> Iterator[T]:
        """Give the items of `batches`, pass after pass, until the run is over.

        A DataLoader over `run.shard(dataset)`, shuffled or not, is dealt its samples as it needs
        them: all workers together go through the dataset, and the loader of one of them does not
        end. There is one counter of samples: of several datasets the first one is dealt. Before
        each pass of another iterable `batches.set_epoch(pass)`, or that of its sampler, is called
        if there is one. Raises AdspError for a pass without an item.
        """
        if self._host.simulated:
            _load_here(batches)
        hand, data = self._workload.hand, set_to_deal(batches)
        self._dealt = data if self._dealt is None else self._dealt
        dealt, items = 0, batches
        if data is not None and data is self._dealt:
            dealt, items = deal(batches, hand, self._host.seed, self.workers)
        passes = 0
        while self.running:
            _set_epoch(batches, passes)
            given = False
            for batch in items:
                given = True
                if dealt:
                    hand.done(dealt)
                self._watch.batch()
                yield batch
                if self._over:
                    return
            if not given:
                raise AdspError(
                    f"worker {self.index}: run(batches) got no batch: an iterator ends for good, "
                    "and a loader with drop_last has none if the shard is smaller than a batch"
                )
            passes += 1

    def serve(self) -> Any:
        """Take part until the run is over without training; on rank 0, returns the results."""
        if not self.server:
            raise UsageError("run.serve() is for ranks that train nothing: if run.server: ...")
        self._begin()
        return self.result

    def shard(self, dataset: Any, fixed: bool = False) -> Any:
        """This worker's part of `dataset`, which every rank gives in the same order.

        A map-style dataset is dealt: `run(DataLoader(run.shard(dataset), ...))` takes the samples
        that come next for all workers, so that each is used once in a pass of all of them, however
        fast they are. Elsewhere it is the whole dataset, from another sample on for each worker.
        With `fixed` it is every M-th sample, the same ones in the whole run. Samples are looked up
        when they are needed.

        Of an iterable dataset it is every M-th item; a dataset with a `shard(num_shards, index)`
        method, as in Hugging Face's datasets, shards itself.
        """
        return sharded(dataset, self._host, fixed)

    def shard_by_environment(self) -> None:
        """Let datasets that share themselves out by RANK and WORLD_SIZE find this worker's part.

        Such as webdataset and MosaicML's streaming, for which every worker is a node of its own
        (LOCAL_WORLD_SIZE 1). Call it before they are made. LOCAL_RANK is not set, and rank 0, which
        is no worker, gets none of them. Raises UsageError in virtual time.
        """
        if self._host.simulated:
            raise UsageError(
                "run.shard_by_environment: in virtual time all workers are one process, with one "
                "environment; use run.shard, or train under mpirun"
            )
        if not self.server:
            share, shares = self._host.share
            os.environ.update(RANK=str(share), WORLD_SIZE=str(shares), LOCAL_WORLD_SIZE="1")

    def log(self, loss: float | torch.Tensor | None = None) -> None:
        """Record the loss of the present step, a number or a scalar tensor.

        One on a GPU is read a step later, so that no step waits for it.
        """
        self._loss.log(loss)

    @contextmanager
    def idle(self, simulated_s: float = 0.0) -> Iterator[None]:
        """A with-block for something else than steps, such as a validation on this worker.

        Its time does not count as a step's, but as a wait; in virtual time it takes `simulated_s`.
        """
        since_s = time.perf_counter()
        yield
        if self._steps is not None and not self._over:
            seconds = simulated_s if self._host.simulated else time.perf_counter() - since_s
            self._advance(lambda steps: steps.send(Idled(seconds)))

    def keep(self, **objects: Any) -> None:
        """Save these objects with checkpoints, and restore them on resume, by their `state_dict`.

        Call it before the run begins. Raises UsageError for an object without one, or with one that
        holds more than tensors, arrays, numbers and text in dicts, lists, tuples and sets.
        """
        if self._steps is not None:
            raise UsageError("run.keep: the run has begun already")
        for name, kept in objects.items():
            self._workload.keep(name, kept)

    def close(self) -> None:
        """End this rank's part: a worker commits what is left and leaves the training."""
        self._begin()
        if not self._over:
            self._advance(lambda steps: steps.throw(NoMoreSteps()))

    def failed(self, error: BaseException) -> BaseException:
        """End the run because of an error in the user's code; returns the error to be raised."""
        if self._steps is None or self._over:
            return error
        try:
            self._advance(lambda steps: steps.throw(error))
        except BaseException as raised:
            return raised
        return error

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        elif (raised := self.failed(error)) is not error:
            raise raised from error

    def _begin(self) -> None:
        """Begin this rank's part; on rank 0 that is all of it."""
        if self._steps is None:
            self._steps = self._host.steps()
            self._advance(next)
            if self._exchange and not self._over:
                self._exchange.catch_up()

    def _after_step(self, optimizer: Optimizer, *_: Any) -> None:
        """After each step of the last optimizer: do what is due until the next step."""
        self._watch.step()
        if self._steps is None:
            self._begin()
        elif not self._over:
            loss = self._loss.take()
            self._advance(lambda steps: steps.send(loss))

    def _before_step(
        self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Before a step of the optimizer: give it the mean of all workers' gradients.

        As the step's gradient is there, the step counts as taken.
        """
        exchange = self._exchange
        assert exchange
        self._watch.step()
        if self._over or exchange.catches_up:
            return None
        if self._steps is None:
            self._begin()
            if self._over or not closure_of(args, kwargs):
                optimizer.zero_grad()  # the gradient is of the model before the run began
                return None
        changed = exchange.take(args, kwargs)
        loss = self._loss.take()
        self._advance(lambda steps: steps.send(loss))
        if not self._over:
            exchange.give()
        return changed

    def _advance(self, go_on: Callable[[Steps[Any]], int]) -> None:
        assert self._steps is not None
        try:
            self.batch_size = go_on(self._steps)
        except StopIteration as end:
            self._over = True
            self.result = end.value
        except BaseException:
            self._over = True
            raise


def _load_here(batches: Any) -> None:
    """A DataLoader loads in this process: a simulation has all its workers in one."""
    if isinstance(batches, DataLoader) and batches.num_workers:
        batches.num_workers, batches.timeout = 0, 0


def _set_epoch(batches: Any, number: int) -> None:
    for holder in (batches, getattr(batches, "sampler", None)):
        if callable(set_epoch := getattr(holder, "set_epoch", None)):
            set_epoch(number)
            return
