"""The base class of synchronization schemes: a worker half and a scheduler half, both pure.

A scheme is a frozen dataclass whose fields are its options, the keys of the `[sync]` section. It
keeps no state: the worker half decides from the worker's own counts and the board, and the
scheduler half is a generator. So one object serves every worker, both engines and replays.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import (
    Observed,
    Run,
    SchedulerGenerator,
    Setup,
    Targets,
    WorkerAction,
)
from adsp_mpi.core.board import Board
from adsp_mpi.core.commit_rule import CommitRule, make_rule
from adsp_mpi.core.worker_state import WorkerState
from adsp_mpi.options import check_options, fixed, option


@dataclass(frozen=True)
class SyncModel(ABC):
    """The base class of all synchronization schemes, with the options that all of them have."""

    name: ClassVar[str]
    """The scheme's name, for schemes in this folder."""

    sees_others: ClassVar[bool] = True
    """Whether `next_action` reads other workers' rows of the board; if not, none are fetched."""

    same_base: ClassVar[bool] = False
    """Whether all commits of a round are differences from the same global model."""

    sets_batch_sizes: ClassVar[bool] = False
    """Whether the scheduler gives workers batch sizes of its own."""

    commits_leftovers: ClassVar[bool] = True
    """Whether a worker commits its remaining update after its last step."""

    global_lr: float = option(0.0, "eta, the factor applied to every commit; 0: 1 / workers", low=0)
    blocking_commits: bool = option(False, "workers stop training while their commit is in flight")
    check_period_s: float = option(60.0, "Gamma, seconds between two checks", above=0)
    outer: str = option(
        "none",
        "momentum that rank 0 adds every check period: none, nesterov:BETA or momentum:BETA",
        check=make_rule,
    )
    commits: str = fixed("weights", "gradients are committed in rounds of one step only")

    def __post_init__(self) -> None:
        check_options(self)
        self.require(
            self.outer == "none" or type(self).commit_rule is SyncModel.commit_rule,
            f"outer = {self.outer!r}: {type(self).__name__} has a commit rule of its own",
        )

    @staticmethod
    def require(condition: bool, message: str) -> None:
        """Raise ValueError with `message` unless `condition` holds."""
        if not condition:
            raise ValueError(message)

    @abstractmethod
    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        """The next action of worker `me` at `now`, in seconds since the start of the run."""

    def commit_rule(self) -> CommitRule:
        """What a commit does to the global model: a new rule, made once, on the server.

        A scheme with a state of its own on the server gives its own here.
        """
        return make_rule(self.outer)

    def scheduler(self, seen: Observed, setup: Setup) -> SchedulerGenerator:
        """The scheduler half, on rank 0: yields actions and receives an `Observed` for each."""
        while True:
            yield Run(Targets(check_period_s=self.check_period_s), self.check_period_s)
