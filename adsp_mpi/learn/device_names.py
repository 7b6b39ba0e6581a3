"""The setting `run.device`: one device for all ranks, or one for each worker."""

import re
from typing import Sequence

_NAME = re.compile(r"auto|cpu|cuda|cuda:\d+")


def parse_devices(text: str) -> list[str]:
    """The names in `text`, between commas; ValueError unless all are names of devices."""
    names = [name.strip() for name in text.split(",")]
    if not all(map(_NAME.fullmatch, names)):
        raise ValueError(
            f"device = {text!r}: there are auto, cpu, cuda and cuda:N, or one for each worker as "
            "cuda,cuda,cpu"
        )
    return names


def device_of(names: Sequence[str], worker: int, num_workers: int) -> str:
    """The name for this worker; a server, worker -1, has that of worker 0.

    Raises ValueError unless there is one name, or one for each worker.
    """
    if len(names) not in (1, num_workers):
        raise ValueError(f"run.device names {len(names)} devices for {num_workers} workers")
    return names[max(0, worker) % len(names)]
