"""ADACOMM and Fixed ADACOMM: rounds of several local steps, their number adapted or fixed."""

import math
from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.actions import (
    TRIAL,
    Observed,
    Restore,
    SchedulerGenerator,
    Setup,
    Snapshot,
    Tell,
)
from adsp_mpi.core.models.rounds import RoundModel
from adsp_mpi.options import option


@dataclass(frozen=True)
class FixedAdacomm(RoundModel):
    """In each round every worker takes `local_steps` steps; then the models are averaged.

    Source: Wang, Joshi, "Adaptive Communication Strategies to Achieve the Best Error-Runtime
    Trade-off in Local-Update SGD", arXiv 1810.08313, with a fixed tau. The default, 40, is taken
    from the authors' program for AAAI 2020.
    """

    name: ClassVar[str] = "fixed-adacomm"

    local_steps: int = option(40, "tau, steps of every worker in a round", low=1)

    def scheduler(self, seen: Observed, setup: Setup) -> SchedulerGenerator:
        while True:
            yield self.period(self.local_steps)


@dataclass(frozen=True)
class Adacomm(RoundModel):
    """ADACOMM: the number of local steps, tau, falls with the loss.

    Source: arXiv 1810.08313, section 4. Each of `trial_local_steps` is tried for one check period
    from the same snapshot, and the one with the smallest loss becomes tau0. From then on, after
    every check period, tau becomes ceil(sqrt(F / F0) tau0) or, if that is not smaller than tau,
    ceil(tau / 2), where F is the present loss and F0 the loss of the snapshot.
    """

    name: ClassVar[str] = "adacomm"

    trial_local_steps: tuple[int, ...] = option(
        (1, 5, 10, 20, 40, 60, 80, 100),
        "values of tau to try first; a single one is taken without a trial",
        low=1,
    )

    def scheduler(self, seen: Observed, setup: Setup) -> SchedulerGenerator:
        first_loss = seen.last_loss
        first_steps = self.trial_local_steps[0]
        if len(self.trial_local_steps) > 1:
            yield Snapshot()
            losses = {}
            for local_steps in self.trial_local_steps:
                yield Restore()
                seen = yield self.period(local_steps, TRIAL)
                losses[local_steps] = seen.last_loss
                yield Tell("trials", {"local_steps": local_steps, "loss": seen.last_loss})
            first_steps = min(losses, key=lambda tau: (_or_infinity(losses[tau]), tau))
            yield Restore()
        local_steps = first_steps
        while True:
            seen = yield self.period(local_steps)
            local_steps = next_local_steps(local_steps, first_steps, seen.last_loss, first_loss)
            yield Tell("adacomm", {"local_steps": local_steps, "loss": seen.last_loss})


def next_local_steps(local_steps: int, first_steps: int, loss: float, first_loss: float) -> int:
    """tau for the next check period, at least 1, after arXiv 1810.08313, section 4.2.

    If a loss is not finite, tau is halved.
    """
    ratio = loss / first_loss if first_loss > 0 else math.inf
    by_loss = math.ceil(math.sqrt(ratio) * first_steps) if 0 <= ratio < math.inf else local_steps
    return max(1, by_loss if by_loss < local_steps else math.ceil(local_steps / 2))


def _or_infinity(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
