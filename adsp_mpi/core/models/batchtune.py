"""BatchTune: batch sizes in proportion to speed, so that all workers take equally long a round."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from adsp_mpi.core.actions import Observed, SchedulerGenerator, Setup, Tell
from adsp_mpi.core.models.adacomm import FixedAdacomm
from adsp_mpi.core.models.rounds import commits_option
from adsp_mpi.options import fixed


@dataclass(frozen=True)
class BatchTuneFixedAdacomm(FixedAdacomm):
    """Fixed ADACOMM with batch sizes B_i = B M v_i / sum v and commits weighted by B_i.

    Source: the batch tuning of R2SP (Chen et al., INFOCOM 2019), a baseline in AAAI 2020. The speed
    v_i is in samples per second: steps per second would change with the batch size, and the sizes
    would oscillate. New sizes are set every check period; their sum stays the same.
    """

    name: ClassVar[str] = "batchtune-fixed-adacomm"
    sets_batch_sizes: ClassVar[bool] = True

    def scheduler(self, seen: Observed, setup: Setup) -> SchedulerGenerator:
        while True:
            sizes = tuned_batch_sizes(seen.sample_s, seen.present, setup.batch_size)
            yield Tell("batch_sizes", {f"worker_{i}": size for i, size in enumerate(sizes)})
            seen = yield replace(self.period(self.local_steps), batch_sizes=sizes)


@dataclass(frozen=True)
class BatchTuneBsp(BatchTuneFixedAdacomm):
    """BSP with tuned batch sizes: one step a round. Source: as above."""

    name: ClassVar[str] = "batchtune-bsp"

    local_steps: int = fixed(1, "batchtune-fixed-adacomm takes several steps a round")
    commits: str = commits_option()


def tuned_batch_sizes(
    sample_s: np.ndarray, present: np.ndarray, batch_size: int
) -> tuple[int, ...]:
    """Batch sizes in proportion to 1 / `sample_s` (seconds per sample), each at least 1.

    `sample_s` is float[M], `present` bool[M]. The sizes of the present workers add up to
    `batch_size` times their number; absent workers get `batch_size`. While the time per sample of
    some present worker is unknown (0), all workers get `batch_size`.
    """
    sizes = np.full(len(sample_s), batch_size)
    if not present.any() or not (sample_s[present] > 0).all():
        return tuple(int(size) for size in sizes)
    total = batch_size * int(present.sum())
    share = total / sample_s[present] / (1.0 / sample_s[present]).sum()
    whole = np.maximum(1, np.floor(share)).astype(int)
    while (left := total - int(whole.sum())) != 0:
        behind = share - whole
        i = int(np.argmax(behind if left > 0 else np.where(whole > 1, -behind, -np.inf)))
        whole[i] += int(np.sign(left))
    sizes[present] = whole
    return tuple(int(size) for size in sizes)
