"""BSP: bulk synchronous parallel training."""

from dataclasses import dataclass

from adsp_mpi.core.models.rounds import RoundModel


@dataclass(frozen=True)
class Bsp(RoundModel):
    """Every worker does one step, the server averages, all take the same new model.

    Source: Valiant, "A Bridging Model for Parallel Computation", CACM 1990; as a baseline in
    Hu, Wang, Wu, AAAI 2020. With equal batches this is synchronous SGD on the joint batch.
    """
