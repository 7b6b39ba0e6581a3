"""ADSP: workers never wait and commit at a rate that an online search steers."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import (
    Commit,
    Goal,
    Observed,
    Run,
    SchedulerGenerator,
    Step,
    Targets,
    WorkerAction,
)
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.search import search_commit_rate
from adsp_mpi.core.worker_state import WorkerState


@dataclass(frozen=True)
class Adsp(SyncModel):
    """Adaptive synchronous parallel training.

    Source: Hu, Wang, Wu, "Distributed Machine Learning through Heterogeneous Edge Systems",
    AAAI 2020 (arXiv 1911.06949), section 3 and Algorithms 1 and 2.

    Worker i commits every Gamma / dC_i seconds, counted from the moment its last commit began:
    where commits block, that is the paper's timer of Gamma / dC_i - O_i from the end of the
    last one. The timer is looked at after each step, a step is never cut, and no second commit
    begins while one is in flight. A worker that has reached C_target commits no more in that
    check period, so the commit counts of all stay within one period's commits.
    """

    sees_others: ClassVar[bool] = False

    epoch_s: float = 1200.0
    """E, seconds between two searches for the commit rate."""

    min_commit_interval_s: float = 0.0
    """Floor under the commit timer; 0 means check_period_s / 6, as in the authors' program."""

    loss_jump: float = 0.3
    """Relative rise of the loss between two checks that starts a new search at once."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(self.epoch_s >= self.check_period_s, "epoch_s must be at least check_period_s")
        self.require(self.min_commit_interval_s >= 0, "min_commit_interval_s must be at least 0")
        self.require(self.loss_jump > 0, "loss_jump must be above 0")

    @property
    def commit_interval_floor_s(self) -> float:
        return self.min_commit_interval_s or self.check_period_s / 6

    @property
    def max_commit_rate(self) -> int:
        """Commits per check period that the floor allows; at least 1."""
        return max(1, int(self.check_period_s / self.commit_interval_floor_s + 1e-9))

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        if me.in_flight or not me.steps_since_commit or me.begun >= me.targets.commit_target:
            return Step()
        interval_s = max(me.targets.check_period_s / me.commits_due, self.commit_interval_floor_s)
        return Commit() if now - me.last_commit_begun_s >= interval_s else Step()

    def scheduler(self, seen: Observed, goal: Goal) -> SchedulerGenerator:
        while True:
            epoch_end = seen.now + self.epoch_s
            target, rate, seen = yield from search_commit_rate(
                seen, self.check_period_s, self.max_commit_rate, goal.target_loss
            )
            while seen.now + self.check_period_s <= epoch_end:
                target += rate
                before = seen
                seen = yield self.run(target, rate)
                if loss_jumped(before, seen, self.loss_jump):
                    break

    def run(self, target: float, rate: float) -> Run:
        return Run(Targets(target, rate, self.check_period_s), self.check_period_s)


def loss_jumped(before: Observed, after: Observed, jump: float) -> bool:
    """Whether the loss rose by more than the fraction `jump` from one check to the next."""
    if not before.losses or not after.losses:
        return False
    return after.losses[-1][1] > (1 + jump) * before.losses[-1][1]
