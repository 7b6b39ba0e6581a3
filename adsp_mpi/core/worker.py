"""What one worker knows of itself when it decides. Both engines keep it by the same methods."""

from dataclasses import dataclass, field

from adsp_mpi.core.actions import Targets


@dataclass(slots=True)
class WorkerState:
    """The `me` of `next_action(now, me, board)`. Times are seconds since the run's start."""

    index: int
    configured_batch_size: int = 1
    steps: int = 0
    begun: int = 0  # commits begun; one more than `commits` while one is in flight
    commits: int = 0  # commits done
    rounds: int = 0  # commits done since the start or the last restore
    pulls: int = 0  # pulls since the start or the last restore
    steps_since_commit: int = 0
    last_commit_begun_s: float = 0.0
    step_s: float = 0.0  # what the last step took
    rest_s: float = 0.0  # of the last step's time, still to come when a pause cut it short
    commit_s: float = 0.0  # O_i: from the begin of the last commit until it was done
    version: int = 0  # of the targets it follows
    targets: Targets = field(default_factory=Targets)
    assigned_batch_size: int = 0
    commits_due: float = 0.0  # dC_i: commits due in the check period that these targets opened
    local_steps: float = 1.0  # planned for the next commit, as is the batch size
    batch_size: int = 1

    def __post_init__(self) -> None:
        self.batch_size = self.configured_batch_size

    @property
    def in_flight(self) -> bool:
        """A commit has begun and is not done."""
        return self.begun > self.commits

    @property
    def batch_share(self) -> float:
        """Its batch size over the configured one."""
        return self.batch_size / self.configured_batch_size

    def begin_step(self) -> None:
        """Before a step: the first one since a commit takes up the newest plan."""
        if self.steps_since_commit == 0 and self.rounds >= self.targets.from_round:
            self.local_steps = self.targets.local_steps
            self.batch_size = self.assigned_batch_size or self.configured_batch_size

    def stepped(self, seconds: float) -> None:
        self.step_s = seconds
        self.steps += 1
        self.steps_since_commit += 1

    def commit_begun(self, now: float) -> None:
        if self.in_flight:
            raise RuntimeError(f"worker {self.index}: a second commit while one is in flight")
        self.begun += 1
        self.steps_since_commit = 0
        self.last_commit_begun_s = now

    def commit_done(self, now: float) -> None:
        if not self.in_flight:
            raise RuntimeError(f"worker {self.index}: a commit done that was not begun")
        self.commit_s = now - self.last_commit_begun_s
        self.commits += 1
        self.rounds += 1

    def pulled(self) -> None:
        if self.in_flight:
            raise RuntimeError(f"worker {self.index}: a pull while a commit is in flight")
        self.pulls += 1

    def restored(self, now: float) -> None:
        """It holds the snapshot: rounds begin again, nothing is learnt yet."""
        self.rounds = self.pulls = self.steps_since_commit = 0
        self.last_commit_begun_s = now

    def admitted(self, steps: int, commits: int, rounds: int, pulls: int, now: float) -> None:
        """Taken in while everybody stands still, with the global model: no one waits for it to
        catch up, so it counts from where the last of the others is.
        """
        self.steps, self.begun, self.commits = steps, commits, commits
        self.rounds, self.pulls = rounds, pulls
        self.steps_since_commit = 0
        self.rest_s = 0.0
        self.last_commit_begun_s = now

    def follow(self, version: int, targets: Targets, assigned_batch_size: int = 0) -> None:
        """Take over new targets and what is due under them."""
        self.version = version
        self.targets = targets
        self.assigned_batch_size = assigned_batch_size
        self.commits_due = targets.commit_target - self.begun
