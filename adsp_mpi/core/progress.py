"""The progress of a run so far, for the screen and the report."""

from dataclasses import dataclass, field

from adsp_mpi.core.actions import TRIAL


@dataclass
class Progress:
    """The phase of the run, its evaluations, and the time that trials took."""

    phase: str = "start"
    metrics: dict[str, float] = field(default_factory=dict)
    told: dict[str, dict[str, float]] = field(default_factory=dict)
    evaluations: list[tuple[float, float]] = field(default_factory=list)  # outside of trials
    trial_s: float = 0.0  # of finished trials
    since_s: float = 0.0  # the start of the current phase

    def trials_until(self, now: float) -> float:
        """The seconds of all trials and their pauses until `now`."""
        return self.trial_s + (now - self.since_s if self.phase == TRIAL else 0.0)

    def begin(self, phase: str, now: float) -> None:
        """Begin `phase`, and close the account of the trial that ends."""
        self.trial_s = self.trials_until(now)
        self.phase, self.since_s = phase, now
