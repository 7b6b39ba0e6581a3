"""ADACOMM and Fixed ADACOMM: local steps between averagings, adapted or fixed."""

import math
from dataclasses import dataclass

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
    """All workers do `local_steps` steps, then average at a barrier.

    Source: Wang, Joshi, "Adaptive Communication Strategies to Achieve the Best Error-Runtime
    Trade-off in Local-Update SGD", arXiv 1810.08313, with tau fixed; the default is that of the
    program of AAAI 2020.
    """

    local_steps: int = option(40, "tau, steps of every worker between two averagings", low=1)

    def scheduler(self, seen: Observed, setup: Setup) -> SchedulerGenerator:
        while True:
            yield self.period(self.local_steps)


@dataclass(frozen=True)
class Adacomm(RoundModel):
    """Fixed ADACOMM whose tau falls with the loss.

    Source: arXiv 1810.08313, section 4. tau0 is the one of `trial_local_steps` with which the
    loss falls most in one check period, each tried from the same snapshot. Then, every check
    period, tau becomes ceil(sqrt(F / F0) tau0), or ceil(tau / 2) when that is not smaller; F is
    the loss then and F0 that of the snapshot.
    """

    trial_local_steps: tuple[int, ...] = option(
        (1, 5, 10, 20, 40, 60, 80, 100),
        "the grid that tau0 is chosen from; a single number is taken without a trial",
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
    """tau of the next check period; arXiv 1810.08313, section 4.2. Not under 1.

    A loss that is not finite leaves tau to the halving rule.
    """
    ratio = loss / first_loss if first_loss > 0 else math.inf
    by_loss = math.ceil(math.sqrt(ratio) * first_steps) if 0 <= ratio < math.inf else local_steps
    return max(1, by_loss if by_loss < local_steps else math.ceil(local_steps / 2))


def _or_infinity(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
