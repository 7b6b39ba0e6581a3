"""A rank that evaluates the models that rank 0 sends it, so that rank 0 computes nothing."""

import time

import numpy as np
import torch
from mpi4py import MPI

from adsp_mpi.core.board import Board
from adsp_mpi.core.patience import HEARTBEAT_S, Silence, patience_s
from adsp_mpi.core.server_engine import Judging
from adsp_mpi.errors import AdspError, UsageError, unexpected, warn
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.workload import Judge, Workload
from adsp_mpi.mpi.ranks.backoff import wait_for, wait_until
from adsp_mpi.mpi.ranks.world import SERVER, World
from adsp_mpi.mpi.server.judge_thread import JudgeThread
from adsp_mpi.mpi.transport.board_client import BoardClient

MODEL_TAG, METRICS_TAG = 8, 9


class EvaluatorRank:
    """Rank 0's access to the evaluator, for rank 0's thread that evaluates.

    If the evaluator is gone, rank 0 evaluates the model itself, by `judge`.
    """

    def __init__(self, world: World, board: Board, model: FlatModel, judge: Judge) -> None:
        self._world, self._board, self._model, self._judge = world, board, model, judge
        self._rank = world.evaluator
        self._silence = Silence(np.zeros(1))
        self._gone = False

    def evaluate(self) -> dict[str, float]:
        """The evaluator's metrics of the model's present values.

        Raises AdspError, with the traceback there, if the evaluation failed.
        """
        if self._gone:
            return self._judge.evaluate()
        try:
            answer = self._ask()
        except MPI.Exception:
            answer = None
        if answer is None:
            self._gone = True
            where = f"rank {self._rank} on {self._world.hosts[self._rank]}"
            warn(f"the evaluator, {where}, is gone; rank 0 evaluates from here on")
            return self._judge.evaluate()
        metrics, error = answer
        if error:
            raise AdspError(f"rank {self._rank}, the evaluator: {error}")
        return metrics

    def _ask(self) -> tuple[dict[str, float], str] | None:
        """Send the model's values; returns metrics and error text, or None if nobody answers."""
        comm, values = self._world.comm, self._model.values.cpu().numpy()
        sent = comm.Isend(values, self._rank, MODEL_TAG)
        message: MPI.Message | None = None

        def is_over() -> bool:
            nonlocal message
            sent.Test()
            message = comm.improbe(self._rank, METRICS_TAG)
            return message is not None or self._is_silent()

        wait_until(is_over)
        if message is None:
            return None
        sent.Wait()
        return message.recv()

    def _is_silent(self) -> bool:
        process = self._world.processes.look()[[self._rank]]
        silent_s = self._silence.look(time.monotonic(), np.array([self._board.evaluator_life]))
        return bool((silent_s > patience_s(process)).any())


class Evaluations:
    """The evaluator's work: call `go_on` often. The model is computed in a thread."""

    def __init__(
        self, world: World, client: BoardClient, model: FlatModel, judge: Judge, threads: int
    ) -> None:
        self._comm = world.comm
        self._client = client
        self._thread = JudgeThread(model, judge, threads)
        self._values = np.empty(model.num_elements, np.float32)
        self._judging: Judging | None = None
        self._sent: list[MPI.Request] = []
        self._heartbeat: list[MPI.Request] = []
        self._heartbeat_s = time.monotonic()
        self._asked = self._comm.Irecv(self._values, SERVER, MODEL_TAG)

    def go_on(self) -> None:
        """Begin or answer an evaluation if one is due, and show life."""
        due = time.monotonic() - self._heartbeat_s >= HEARTBEAT_S
        if due and MPI.Request.Testall(self._heartbeat):
            self._heartbeat_s = time.monotonic()
            self._heartbeat = self._client.count("evaluator_life")[0]
        if self._judging is None:
            if self._asked.Test():
                self._judging = self._thread.judge(torch.from_numpy(self._values))
        elif self._judging.done():
            wait_for(self._sent)
            self._sent = [self._comm.isend(_told(self._judging), SERVER, METRICS_TAG)]
            self._judging = None
            self._asked = self._comm.Irecv(self._values, SERVER, MODEL_TAG)

    def close(self) -> None:
        """End the work; no model is on its way any more."""
        self._asked.Cancel()
        wait_for([self._asked, *self._sent])


def judge_or_refuse(workload: Workload) -> Judge:
    """What evaluates this workload; UsageError if nothing does."""
    judge = workload.judge()
    if judge is None:
        raise UsageError("run.evaluator: there is nothing to do for it: give join an evaluate")
    return judge


def _told(judging: Judging) -> tuple[dict[str, float], str]:
    """The metrics, and the text of the error if there was one."""
    try:
        return judging.result(), ""
    except AdspError as error:
        return {}, str(error)
    except BaseException as error:
        return {}, unexpected(error)
