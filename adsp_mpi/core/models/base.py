"""What a synchronization model is: a pure worker half and a scheduler half.

A model is a frozen dataclass; its fields are its options, the keys of the `[sync]` section. It
keeps no state: the worker half sees `me` and the board, the scheduler half is a generator. So
one object serves every worker, both engines, and a replay.
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
from adsp_mpi.core.worker import WorkerState
from adsp_mpi.options import check_options, option


@dataclass(frozen=True)
class SyncModel(ABC):
    """Base of all synchronization models, with the options that all share."""

    sees_others: ClassVar[bool] = True
    """Whether the worker half looks at other workers' rows; if not, they are not fetched."""

    same_base: ClassVar[bool] = False
    """Whether all commits of a round are counted from the same global model."""

    commits_leftovers: ClassVar[bool] = True
    """Whether a worker that reached its last step commits what it has not committed yet."""

    global_lr: float = option(
        0.0, "eta, the factor that a commit is applied with; 0: 1 / workers", low=0
    )
    blocking_commits: bool = option(False, "a worker stands still while its commit is in flight")
    check_period_s: float = option(60.0, "Gamma, seconds between two checks", above=0)
    outer: str = option(
        "none",
        "momentum that rank 0 adds every check period: none, nesterov:BETA or momentum:BETA",
        check=make_rule,
    )

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
        """What worker `me` does next at `now`, seconds since the run's start."""

    def commit_rule(self) -> CommitRule:
        """What a commit does to the global model: a new rule, made once, on the server.

        A model with a state of its own on the server gives its own here.
        """
        return make_rule(self.outer)

    def scheduler(self, seen: Observed, setup: Setup) -> SchedulerGenerator:
        """The scheduler half: yields what to do and receives what was observed."""
        while True:
            yield Run(Targets(check_period_s=self.check_period_s), self.check_period_s)
