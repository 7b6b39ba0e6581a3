"""What one worker knows of itself when it decides. Both engines keep it by the same methods."""

from dataclasses import dataclass, field

from adsp_mpi.core.actions import Targets


@dataclass(slots=True)
class WorkerState:
    """The `me` of `next_action(now, me, board)`. Times are seconds since the run's start."""

    index: int
    steps: int = 0
    begun: int = 0  # commits begun; one more than `commits` while one is in flight
    commits: int = 0  # commits done
    pulls: int = 0
    steps_since_commit: int = 0
    last_commit_begun_s: float = 0.0
    version: int = -1  # of the targets it follows
    targets: Targets = field(default_factory=Targets)
    commits_due: float = 0.0  # dC_i: commits due in the check period that these targets opened

    @property
    def in_flight(self) -> bool:
        """A commit has begun and is not done."""
        return self.begun > self.commits

    def stepped(self) -> None:
        self.steps += 1
        self.steps_since_commit += 1

    def commit_begun(self, now: float) -> None:
        if self.in_flight:
            raise RuntimeError(f"worker {self.index}: a second commit while one is in flight")
        self.begun += 1
        self.steps_since_commit = 0
        self.last_commit_begun_s = now

    def commit_done(self) -> None:
        if not self.in_flight:
            raise RuntimeError(f"worker {self.index}: a commit done that was not begun")
        self.commits += 1

    def pulled(self) -> None:
        self.pulls += 1

    def follow(self, version: int, targets: Targets) -> bool:
        """Take over new targets; True when they are new."""
        if version == self.version:
            return False
        self.version = version
        self.targets = targets
        self.commits_due = targets.commit_target - self.begun
        return True
