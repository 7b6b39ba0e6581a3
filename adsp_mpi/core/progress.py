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


def time_left(now: float, share: float) -> str:
    """How much of a run is done, and how long the rest takes at that pace; "" if nothing is known.

    `share`, 0 to 1, is what is done at `now`, seconds since the run's start.
    """
    if not share:
        return ""
    left_s = now * (1 - share) / share
    for unit, unit_s in (("h", 3600.0), ("min", 60.0)):
        if left_s >= 2 * unit_s:
            return f"{share:.0%}, {left_s / unit_s:.0f} {unit} left"
    return f"{share:.0%}, {left_s:.0f} s left"
