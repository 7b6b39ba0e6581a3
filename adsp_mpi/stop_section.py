"""The section `[stop]` of the configuration: when a run is over."""

from dataclasses import dataclass

from adsp_mpi.core.best import Best
from adsp_mpi.core.stop import StopRule
from adsp_mpi.options import option


@dataclass(frozen=True)
class StopSection:
    target_loss: float = option(
        0.0, "stop when ten evaluations in a row are at or below; 0: none", low=0
    )
    loss_variance: float = option(
        0.0, "stop when the variance of the last ten losses is at or below; 0: never", low=0
    )
    max_seconds: float = option(0.0, "stop after this many seconds of training; 0: no limit", low=0)
    max_steps: int = option(0, "each worker's number of steps; 0: no limit", low=0)
    metric: str = option(
        "loss",
        "whose smallest value is the best, for best.pt and patience; max:NAME: the largest one",
    )
    patience: int = option(
        0, "stop after this many evaluations without a better metric; 0: never", low=0
    )

    def rule(self) -> StopRule:
        """A new stop rule with these limits."""
        limits = self.target_loss, self.loss_variance, self.max_seconds, self.max_steps
        return StopRule(*limits, self.patience, Best(self.metric))
