"""The device that a rank trains on."""

import torch

from adsp_mpi.errors import UsageError


def find_device(name: str, node_rank: int) -> torch.device:
    """The CPU, or the GPUs of this host in turn by rank; UsageError if there is no GPU."""
    if name == "cpu":
        return torch.device("cpu")
    if name == "cuda":
        if not torch.cuda.is_available():
            raise UsageError("run.device = cuda, but torch sees no GPU here; use --device cpu")
        return torch.device("cuda", node_rank % torch.cuda.device_count())
    raise UsageError(f"run.device = {name!r}: there are cpu, cuda")
