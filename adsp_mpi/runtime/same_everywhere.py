"""What must be the same on all ranks, as lines of text, and the first line where ranks differ."""

import hashlib
import tomllib
from itertools import zip_longest
from typing import Sequence

from adsp_mpi.config import Config
from adsp_mpi.learn.partition import parse_partition

PER_RANK = ("run.out", "run.device", "run.threads", "run.screen")
"""Settings that may differ: only rank 0 uses them, or they describe a rank's own machine."""


def settings_lines(config: Config) -> list[str]:
    """The settings that all ranks must share, `section.key = value` each.

    Where every rank loads its own data, the task's options may differ too.
    """
    own_data = parse_partition(config.train.partition)[0] == "own"
    lines = []
    for section, values in tomllib.loads(config.to_toml()).items():
        for key, value in values.items():
            name = f"{section}.{key}"
            task_option = section == "task" and key != "name"
            if name not in PER_RANK and not (own_data and task_option):
                lines.append(f"{name} = {value!r}")
    return lines


def digest(lines: Sequence[str]) -> str:
    """Equal for equal lines: SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256("\0".join(lines).encode()).hexdigest()


def first_difference(
    lines_by_rank: Sequence[Sequence[str]], hosts: Sequence[str]
) -> tuple[str, str] | None:
    """The first line in which the lowest rank that differs from rank 0 does, with its name.

    Returns "rank 2 on node7 has <its line>" and "rank 0 has <its line>"; None if all are equal.
    """
    first = lines_by_rank[0]
    for rank, lines in enumerate(lines_by_rank):
        for here, there in zip_longest(lines, first, fillvalue="nothing more"):
            if here != there:
                return f"rank {rank} on {hosts[rank]} has {here}", f"rank 0 has {there}"
    return None
