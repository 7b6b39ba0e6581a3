"""Asks Slurm, once, when the batch job around this run will be ended."""

import os
import re
import subprocess
import time

LEAST_MARGIN_S, MOST_MARGIN_S = 10.0, 120.0
MARGIN_SHARE = 0.05
"""A run stops this share of its remaining time before the job ends."""

_LEFT = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")


class JobEnd:
    """The moment by which a run must stop; never, outside a job with a time limit."""

    def __init__(self) -> None:
        left_s = seconds_left()
        self._end_s = None if left_s is None else time.monotonic() + left_s
        self._margin_s = min(max(LEAST_MARGIN_S, MARGIN_SHARE * (left_s or 0.0)), MOST_MARGIN_S)

    def is_near(self, checkpoint_s: float) -> bool:
        """Whether it is time to stop, given that a checkpoint takes `checkpoint_s` seconds."""
        if self._end_s is None:
            return False
        return time.monotonic() + self._margin_s + 3 * checkpoint_s >= self._end_s


def seconds_left() -> float | None:
    """Seconds until Slurm ends this job; None if there is no job, no limit or no answer."""
    job = os.environ.get("SLURM_JOB_ID", "")
    end = os.environ.get("SLURM_JOB_END_TIME", "")
    if end.isdecimal():
        return max(float(end) - time.time(), 0.0)
    if not job:
        return None
    try:
        answer = subprocess.run(
            ["squeue", "-h", "-j", job, "-o", "%L"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_left(answer.stdout.strip())


def parse_left(text: str) -> float | None:
    """Convert squeue's `days-hours:minutes:seconds` to seconds; None for UNLIMITED and the like."""
    found = _LEFT.fullmatch(text)
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
