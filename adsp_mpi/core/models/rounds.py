"""Schemes in rounds: every worker takes local steps, commits, and pulls the same global model."""

from dataclasses import dataclass
from typing import Any, ClassVar

from adsp_mpi.core.actions import Commit, Pull, Run, Step, Targets, Wait, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker_state import WorkerState
from adsp_mpi.options import fixed, option

GRADIENTS = "gradients"


def commits_option() -> Any:
    """The option `commits` of schemes with one step in each round."""
    return option(
        "auto",
        "weights, gradients, or auto: gradients unless the optimizer is plain SGD",
        choices=("auto", "weights", GRADIENTS),
    )


@dataclass(frozen=True)
class RoundModel(SyncModel):
    """The worker half of schemes in rounds: a barrier made of two counters on the board.

    A worker pulls round r only when all workers have committed round r, and commits round r + 1
    only when all have pulled round r. So the model of a round never contains a commit of another
    round. Commits are weighted by the worker's share of the joint batch.

    Where `commits` is gradients, the model's vector holds, behind the weights, the gradient of the
    joint batch. A worker's step ends with its gradient. Its commit moves that part of the vector by
    its share of the way to its own gradient, so that the part becomes the mean of all workers';
    with the pull every worker receives it, and makes the optimizer's step with it. So all
    optimizers make the same step, and have the same state. The weights in the vector are those
    before that step.
    """

    same_base: ClassVar[bool] = True
    commits_leftovers: ClassVar[bool] = False

    blocking_commits: bool = fixed(True, "commits that do not block would mix the rounds")
    outer: str = fixed("none", "what rank 0 adds would reach some workers a round before others")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            self.commits != GRADIENTS or not self.global_lr,
            "global_lr: the mean of the gradients has the factor 1 / workers",
        )

    def period(self, local_steps: float, phase: str = "train") -> Run:
        """One check period with `local_steps` (tau) steps in each round."""
        targets = Targets(check_period_s=self.check_period_s, local_steps=local_steps)
        return Run(targets, self.check_period_s, phase)

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        if me.pulls < me.rounds:
            everyone_committed = board.minimum("rounds") >= me.rounds
            return Pull() if everyone_committed else Wait("others' commits")
        if me.steps_since_commit < me.local_steps:
            return Step()
        everyone_pulled = board.minimum("pulls") >= me.rounds
        return Commit(me.batch_share) if everyone_pulled else Wait("others' pulls")
