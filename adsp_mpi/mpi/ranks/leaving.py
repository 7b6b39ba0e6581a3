"""How ranks begin a run and leave the program: together, or alone if some of them are dead."""

import threading

from mpi4py import MPI

from adsp_mpi.errors import EXIT_DONE, EXIT_FAILED, AdspError, Elsewhere
from adsp_mpi.mpi.ranks.abort import abort, dismiss_guard, finalize_under_guard, leave_at_once
from adsp_mpi.mpi.ranks.backoff import wait_for, wait_until
from adsp_mpi.mpi.ranks.liveness import Processes, Watch

ALL_END_S = 15.0
"""Ranks that have nothing left to do leave within this time, or have died."""

ABORT_AFTER_S = 4.0
"""A rank that fails waits this long for the others to leave in order before it ends the job."""


class RollCall:
    """A collective that every rank enters when it begins a run and when it leaves the program.

    So no rank waits in a run for one that has left before.
    """

    def __init__(self) -> None:
        self.alone = False
        """Whether some rank is dead: no collective would end, so this process leaves by itself."""

        self.processes: Processes | None = None
        """The processes of all ranks; None before the first run."""

        self.exit_code = EXIT_DONE
        self._has_left = False

    def begin_run(self) -> None:
        """Collective over all ranks; AdspError if one of them leaves instead.

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
        """Collective with whatever the other ranks do next; returns when all of them leave.

        It waits for them no longer than `ABORT_AFTER_S` after a failure, and no longer than
        `ALL_END_S` if all leave `at_once`.
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
        """End MPI as the last thing that this process does; ranks may die in it."""
        if self.alone:
            leave_at_once(self.exit_code)
        finalize_under_guard(self.exit_code)

    def _call(self, answer: str) -> list[str]:
        """Collect the answers of all ranks, without a busy wait for late ones.

        If a rank has died since the last run, all answers say so.
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
"""The roll call of this process."""
