"""The device that a rank trains on."""

import torch

from adsp_mpi.errors import UsageError


def find_device(name: str, node_rank: int) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `cuda:N` on this host; UsageError if it has none.

    The GPUs of a host are dealt out to its ranks in turn; `auto` is the CPU where there is none.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not count):
        return torch.device("cpu")
    if not count:
        raise UsageError(f"run.device = {name}, but torch sees no GPU here; use --device cpu")
    if name in ("auto", "cuda"):
        return torch.device("cuda", node_rank % count)
    device = torch.device(name)
    if device.index >= count:
        raise UsageError(f"run.device = {name}, but torch sees {count} GPUs here, from cuda:0 on")
    return device
