"""BSP: bulk synchronous parallel training."""

from dataclasses import dataclass
from typing import ClassVar

from adsp_mpi.core.models.rounds import RoundModel, commits_option


@dataclass(frozen=True)
class Bsp(RoundModel):
    """In each round every worker takes one step and commits; then all pull the averaged model.

    Source: Valiant, "A Bridging Model for Parallel Computation", CACM 1990; a baseline in Hu,
    Wang, Wu, AAAI 2020. With equal batches this is synchronous SGD on the joint batch, and with
    `commits` = gradients any other optimizer on the joint batch.
    """

    name: ClassVar[str] = "bsp"

    commits: str = commits_option()
