"""The ranks of a run: their roles, and how they agree on errors. Importing starts MPI."""

import os
import socket
import time
import traceback
from typing import Callable, TypeVar

from mpi4py import MPI

from adsp_mpi.core.patience import PATIENCE_S, Process
from adsp_mpi.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    AdspError,
    Elsewhere,
    NothingToDo,
    UsageError,
    cause,
    tell,
)
from adsp_mpi.mpi.ranks.abort import abort, leave_anyway
from adsp_mpi.mpi.ranks.backoff import wait_until
from adsp_mpi.mpi.ranks.leaving import ROLL_CALL
from adsp_mpi.mpi.ranks.liveness import Processes, Watch, number_space

T = TypeVar("T")

SERVER = 0


class World:
    """The ranks of a run: rank 0 steers it and holds the board, `servers` share the model.

    The servers, of which rank 0 is the first, are spread over the ranks and so over the nodes. If
    one rank is to evaluate the model, it is the last one. All other ranks are workers, in the order
    of their ranks.
    """

    def __init__(
        self,
        comm: MPI.Intracomm = MPI.COMM_WORLD,
        num_servers: int = 1,
        with_evaluator: bool = False,
    ) -> None:
        if comm == MPI.COMM_WORLD:
            ROLL_CALL.begin_run()
        self.comm = comm.Dup()
        self.rank, size = self.comm.rank, self.comm.size
        places = max(1, size - with_evaluator)
        spread = [number * places // num_servers for number in range(num_servers)]
        self.servers = sorted(set(spread))
        self.evaluator = size - 1 if with_evaluator else -1
        """The rank that only evaluates the model; -1: there is none."""

        taken = {*self.servers, self.evaluator}
        self._workers = [rank for rank in range(size) if rank not in taken]
        self.num_workers = len(self._workers)
        self.worker = self.worker_of(self.rank)
        """This rank's worker; -1 on a rank that trains nothing."""

        self.host = socket.gethostname()
        everyone = self.comm.allgather((self.host, number_space(), os.getpid()))
        self.hosts = [host for host, _, _ in everyone]
        self.processes = Processes(self.rank, everyone)
        if comm == MPI.COMM_WORLD:
            ROLL_CALL.processes = self.processes
        self.lost_ranks = False
        """Some rank is dead: no collective will ever end."""

        self._leaves = False

        node = self.comm.Split_type(MPI.COMM_TYPE_SHARED)
        self.node_rank = node.rank
        self.one_node = node.size == self.comm.size
        node.Free()

    def worker_of(self, rank: int) -> int:
        """The worker on a rank; -1 on one that trains nothing."""
        return self._workers.index(rank) if rank in self._workers else -1

    def rank_of(self, worker: int) -> int:
        """The rank of a worker."""
        return self._workers[worker]

    @property
    def part(self) -> int:
        """The number of this rank's part of the trace: rank 0, workers, servers, the evaluator.

        It is not the rank: a run can be resumed with other servers, and its workers on other ranks.
        """
        if self.is_evaluator:
            return self.num_workers + len(self.servers)
        if self.is_shard:
            return self.num_workers + self.servers.index(self.rank)
        return self.worker + 1

    @property
    def is_server(self) -> bool:
        return self.rank == SERVER

    @property
    def is_shard(self) -> bool:
        """Whether this rank only serves a part of the model."""
        return self.rank in self.servers and not self.is_server

    @property
    def is_evaluator(self) -> bool:
        """Whether this rank only evaluates the model."""
        return self.rank == self.evaluator

    def require_workers(self, spares: int) -> None:
        """Raise UsageError, with the way to start more ranks, if there is no worker."""
        if self.num_workers > spares:
            return
        if len(self.servers) > 1 or self.evaluator >= 0:
            evaluates = " and one evaluates" if self.evaluator >= 0 else ""
            raise UsageError(
                f"of {self.comm.size} ranks {len(self.servers)} are servers{evaluates}: that "
                f"leaves {self.num_workers} workers for --spares {spares}; start more ranks"
            )
        if self.num_workers:
            raise UsageError(
                f"--spares {spares} leaves none of the {self.num_workers} workers to begin with"
            )
        tasks = os.environ.get("SLURM_NTASKS", "1")
        if tasks.isdigit() and int(tasks) > 1:
            raise UsageError(
                f"every one of the {tasks} Slurm tasks is alone: srun and this MPI do not know "
                "each other. Try: srun --mpi=pmi2 ..., srun --mpi=pmix ..., or mpirun"
            )
        raise UsageError(
            "at least two ranks are needed, a server and a worker. "
            "Start with: mpirun -n 8 python -m adsp_mpi"
        )

    def wait_for_all(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """A barrier that sleeps, so that early ranks leave their cores to late ones.

        `meanwhile` is called now and then. If a rank of this host dies, the job is aborted, as
        nothing else would end it.
        """
        barrier = self.comm.Ibarrier()
        watch = Watch(self.processes, range(self.comm.size), with_signs=False)

        def all_are_here() -> bool:
            meanwhile()
            return barrier.Test() or self._abort_if_missing(watch.gone())

        wait_until(all_are_here)

    def all_come(self) -> bool:
        """`wait_for_all` at the end of a run; False if a rank has died and will never come."""
        barrier = self.comm.Ibarrier()
        watch = Watch(self.processes, range(self.comm.size), with_signs=False)
        until_s = time.monotonic() + PATIENCE_S[Process.ELSEWHERE]
        come = False

        def come_or_dead() -> bool:
            nonlocal come
            come = barrier.Test()
            return come or bool(watch.gone()) or time.monotonic() > until_s

        wait_until(come_or_dead)
        return come

    def _abort_if_missing(self, gone: list[int]) -> bool:
        """Abort the job if ranks are gone; the first living rank of this host reports it."""
        if not gone or self._leaves:
            return False
        self._leaves = True
        left = (r for r, host in enumerate(self.hosts) if host == self.host and r not in gone)
        if next(left) == self.rank:
            tell(f"rank {gone[0]} on {self.host} died while the others waited for it")
            abort(self.comm)
        else:
            leave_anyway()
        return False

    def allgather(self, value: T) -> list[T]:
        """The `value` of every rank, in the order of the ranks."""
        self.wait_for_all()
        return self.comm.allgather(value)

    def agree(self, prepare: Callable[[], T]) -> T:
        """Run `prepare` on every rank; if it fails anywhere, every rank raises.

        Rank 0 raises the error of the lowest failing rank, the others `Elsewhere`.
        """
        failure: tuple[int, str] | None = None
        try:
            result = prepare()
        except AdspError as error:
            failure = (error.exit_code, str(error))
        except (Exception, SystemExit) as error:
            failure = (EXIT_FAILED, f"{cause(error)}\n{traceback.format_exc()}")
        failures = self.allgather((self.host, failure))
        first = next(((r, h, f) for r, (h, f) in enumerate(failures) if f), None)
        if first is None:
            return result
        rank, host, (exit_code, message) = first
        if not self.is_server:
            raise Elsewhere(exit_code)
        if exit_code == EXIT_DONE:
            raise NothingToDo(message)
        everywhere = all(f == failures[0][1] for _, f in failures)
        told = AdspError(message if everywhere else f"rank {rank} on {host}: {message}")
        told.exit_code = exit_code
        raise told
