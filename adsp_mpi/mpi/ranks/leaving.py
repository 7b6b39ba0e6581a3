"""How ranks begin a run and leave the program: together, or alone where some of them are dead."""

import threading

from mpi4py import MPI

from adsp_mpi.errors import EXIT_DONE, EXIT_FAILED, AdspError, Elsewhere
from adsp_mpi.mpi.ranks.abort import abort, dismiss_guard, finalize_under_guard, leave_at_once
from adsp_mpi.mpi.ranks.backoff import wait_for, wait_until
from adsp_mpi.mpi.ranks.liveness import Processes, Watch

ALL_END_S = 15.0
"""Ranks that have nothing more to do leave within this time, or have died."""

ABORT_AFTER_S = 4.0
"""A rank that fails waits so long for the others to leave in order before it ends the job."""


class RollCall:
    """Every rank answers it when it begins a run and when it leaves the program.

    So nobody waits in a run for a rank that has left before.
    """

    def __init__(self) -> None:
        self.alone = False
        """Some ranks are dead: no collective will ever end, and this process leaves by itself."""

        self.processes: Processes | None = None
        """Of all ranks, since the first run."""

        self.exit_code = EXIT_DONE
        self._has_left = False

    def begin_run(self) -> None:
        """Collective over all ranks; AdspError where one of them leaves instead.

        The lowest rank that stays raises the message, the others `Elsewhere`.
        """
        if self.alone:
            raise AdspError("ranks have died in an earlier run: no other can begin")
        answers = self._call("")
        if self.alone:
            raise AdspError("a rank has died before this run began")
        left = [rank for rank, answer in enumerate(answers) if answer]
        if not left:
            return
        if answers.index("") != MPI.COMM_WORLD.rank:
            raise Elsewhere(EXIT_FAILED)
        raise AdspError(
            f"rank {left[0]} has left the program where the others began a run: {answers[left[0]]}"
        )

    def leave(self, exit_code: int, why: str, at_once: bool = False) -> None:
        """Collective with what every other rank does next; returns when all of them leave.

        The others are waited for no longer than `ABORT_AFTER_S` after a failure, and than
        `ALL_END_S` where all leave `at_once`.
        """
        self.exit_code = exit_code
        if self.alone or self._has_left:
            return
        self._has_left = True
        if exit_code != EXIT_DONE:
            timer = threading.Timer(ABORT_AFTER_S, abort, [MPI.COMM_WORLD, exit_code])
        else:
            timer = threading.Timer(ALL_END_S, leave_at_once, [exit_code])
        timer.daemon = True
        if at_once or exit_code != EXIT_DONE:
            timer.start()
        while not all(self._call(why)):
            pass
        timer.cancel()
        dismiss_guard()

    def end(self) -> None:
        """The last thing that this process does; ranks may die in it where they can at all."""
        if self.alone:
            leave_at_once(self.exit_code)
        finalize_under_guard(self.exit_code)

    def _call(self, answer: str) -> list[str]:
        """The answers of all ranks; without a busy wait for those that come late.

        Where one has died since the last run nobody gives another answer than its end.
        """
        barrier = MPI.COMM_WORLD.Ibarrier()
        if self.processes is None:
            wait_for([barrier])
        else:
            watch = Watch(self.processes, range(MPI.COMM_WORLD.size), with_signs=False)
            wait_until(lambda: self._is_over(barrier, watch))
        if self.alone:
            return ["a rank has died"] * MPI.COMM_WORLD.size
        return MPI.COMM_WORLD.allgather(answer)

    def _is_over(self, barrier: MPI.Request, watch: Watch) -> bool:
        come = barrier.Test()
        self.alone = not come and bool(watch.gone())
        return come or self.alone


ROLL_CALL = RollCall()
"""That of this process."""
