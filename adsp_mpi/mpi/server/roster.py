"""Rank 0's roster of the workers: who is lost, who is admitted, and waiting for all of them."""

from functools import partial
from typing import Callable

import numpy as np

from adsp_mpi.core.board import Board, Presence
from adsp_mpi.core.membership import Membership
from adsp_mpi.core.patience import Process
from adsp_mpi.core.server_engine import Until
from adsp_mpi.errors import AdspError, warn
from adsp_mpi.mpi.ranks.backoff import wait_until
from adsp_mpi.mpi.ranks.clock import ROUND_TRIP_TAG, answer_round_trips
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.runtime.run_folder import how_to_resume

LOOK_S = 0.02
"""Rank 0 looks at the board at least this often."""


class Workers:
    """All workers of `board`; events about them go to `tell(kind, text)`."""

    def __init__(
        self,
        ready: Prepared,
        board: Board,
        now: Callable[[], float],
        tell: Callable[[str, str], None],
    ) -> None:
        self._ready = ready
        self._world = ready.world
        self._board = board
        self._members = Membership(board, ready.num_shares)
        self._ranks = [self._world.rank_of(w) for w in range(self._world.num_workers)]
        self._now = now
        self._tell = tell

    def watch(self) -> None:
        """Give up silent workers; AdspError if none is left."""
        self._give_up()
        if not self._board.present.any() and self._board.lost[: self._ready.num_shares].all():
            raise AdspError(f"every worker is lost; {how_to_resume(self._ready.folder)}")

    def _give_up(self) -> None:
        changes = self._members.look(self._now(), self._world.processes.look()[self._ranks])
        for worker in changes.lost:
            text = self._members.text_of_lost(worker, "may be applied in part")
            self._tell_of("lost", worker, text)
        for worker in changes.slow:
            idle_s = self._members.idle_s[worker]
            self._tell_of("slow", worker, f"is alive, but for {idle_s:.1f} s in one step")
        for worker in changes.recovered:
            self._tell_of("recovered", worker, "goes on as before")

    def go_on_dealing(self, before: Board) -> None:
        """Go on dealing samples where the resumed run stood, which had other workers."""
        self._members.redealer.go_on(before)

    def candidate(self) -> int | None:
        """A worker that can be admitted now, or None."""
        return self._members.candidate()

    def take_in(self, worker: int) -> None:
        """Admit a lost worker or a spare, while all others pause."""
        admission = self._members.admission(worker, self._now)
        try:
            while True:
                wait_until(partial(self._has_come, next(admission)))
        except StopIteration as end:
            if end.value:
                self._tell_of("back", worker, self._members.text_of_back(worker))

    def _has_come(self, until: Until) -> bool:
        self.watch()
        return until.ready() or self._now() >= until.moment

    def wait_for(self, done: Callable[[], np.ndarray]) -> None:
        """Wait until `done`, bool[M], holds for every present worker."""

        def all_done() -> bool:
            self.watch()
            return bool((done() | ~self._board.present).all())

        wait_until(all_done)

    def release(self) -> None:
        """At the end of the run, let living workers and spares outside leave like all others."""
        self._give_up()
        self._members.release()

    def wait_for_everyone(self, done: Callable[[], np.ndarray]) -> None:
        """Wait until `done`, bool[M], holds for every worker that is not lost, left or not."""

        def all_done() -> bool:
            self._give_up()
            return bool((done() | self._board.lost).all())

        wait_until(all_done)

    def wait_for_presence(self, presence: Presence) -> None:
        """Wait until every worker that is not lost has this presence or a later one."""
        column = self._board.column("presence")
        self.wait_for_everyone(lambda: column >= presence)

    def warn_of_hosts(self) -> None:
        """Say so where a launcher may wait for a host that is out of reach."""
        elsewhere = self._world.processes.look()[self._ranks] == Process.ELSEWHERE
        ranks = [self._ranks[worker] for worker in np.flatnonzero(elsewhere & self._board.lost)]
        if hosts := sorted({self._world.hosts[rank] for rank in ranks}):
            text = f"workers on {', '.join(hosts)} were lost; if a host is out of reach mpirun may "
            text += "not come back: all is written, end it with Ctrl-C"
            warn(text)

    def answer_clocks(self) -> None:
        """Let every worker that is not lost measure its clock."""
        comm = self._world.comm
        for worker in range(self._world.num_workers):
            rank = self._world.rank_of(worker)

            def is_lost(worker: int = worker) -> bool:
                self._give_up()
                return bool(self._board.lost[worker])

            def asked_or_lost(rank: int = rank) -> bool:
                return is_lost() or comm.Iprobe(rank, ROUND_TRIP_TAG)

            wait_until(asked_or_lost)
            if not is_lost():
                answer_round_trips(comm, rank, is_lost)

    def _tell_of(self, kind: str, worker: int, text: str) -> None:
        rank = self._world.rank_of(worker)
        self._tell(kind, f"worker {worker} (rank {rank} on {self._world.hosts[rank]}) {text}")
