"""The section `[train]` of the configuration: the local step of a task and its data."""

from dataclasses import dataclass

from adsp_mpi.core.compression import make_codec
from adsp_mpi.learn.partition import parse_partition
from adsp_mpi.options import TASK, option


@dataclass(frozen=True)
class TrainSection:
    batch_size: int = option(32, "samples per step", low=1, used_by=TASK)
    local_lr: float = option(0.1, "eta', learning rate of a local step", low=0)
    lr_decay: float = option(
        1.0, "factor on local_lr every lr_decay_steps own steps", low=0, high=1
    )
    lr_decay_steps: float = option(1000.0, "own steps over which lr_decay acts once", low=1)
    compress: str = option(
        "none",
        "commits and answers: none, float16, bfloat16, or topk:SHARE of their numbers",
        check=make_codec,
    )
    partition: str = option(
        "iid",
        "iid, dirichlet:ALPHA by label, blocks, or own: each rank's own files",
        check=parse_partition,
        used_by=TASK,
    )
