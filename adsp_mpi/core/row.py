"""A worker's row of the board: its own counts and times."""

import numpy as np

HELD_RANGES = 4
"""The number of ranges of samples that a row can show."""

ROW_FIELDS = (
    "presence",
    "steps",
    "begun",
    "commits",
    "rounds",
    "pulls",
    "restores",
    "snapshots",  # the last one with which it has kept its training's state
    "checkpoint",  # the last checkpoint of which it wrote its part, or failed to
    "disk_error",  # errno if that write failed, else 0
    "trace_cut",  # 1: its trace can no longer be written
    "admitted",  # how many of its admissions it has followed
    "excused_steps",  # those of its steps and commits that it was credited with when admitted
    "excused_commits",
    "longest_s",  # longest time between two signs of its loop
    "batch_size",
    "sample_s",
    "compute_s",
    "sleep_s",
    "commit_s",
    "wait_s",
    "loss",
    "sent_mb",
    "staleness",
    "heartbeat_s",  # its last heartbeat, which comes during long steps too
    "acted_s",  # when its loop last did something
    "late_steps",
    "again",  # how many ranges of samples it has taken up that rank 0 gave it
    *(f"held_{what}_{k}" for k in range(HELD_RANGES) for what in ("from", "size")),
)
_ROW = {name: i for i, name in enumerate(ROW_FIELDS)}
_LOSS, _COMPUTE_S, _SLEEP_S, _BATCH_SIZE, _SAMPLE_S = (
    _ROW[name] for name in ("loss", "compute_s", "sleep_s", "batch_size", "sample_s")
)
_HELD = _ROW["held_from_0"]
_SENT_MB, _STALENESS = _ROW["sent_mb"], _ROW["staleness"]
_PRESENCE, _HEARTBEAT_S, _ACTED_S, _LONGEST_S = (
    _ROW[name] for name in ("presence", "heartbeat_s", "acted_s", "longest_s")
)

SMOOTHING = 0.1
"""Weight of a new step in the recent time per sample."""


class Row:
    """One row of a board, whose fields are attributes by the names in `ROW_FIELDS`."""

    values: np.ndarray

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray | None = None) -> None:
        values = np.zeros(len(ROW_FIELDS)) if values is None else values
        object.__setattr__(self, "values", values)

    def __getattr__(self, name: str) -> float:
        try:
            return float(self.values[_ROW[name]])
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: float) -> None:
        if name not in _ROW:
            raise AttributeError(name)
        self.values[_ROW[name]] = value

    def acted(self, now: float) -> None:
        """Record a sign of the worker's loop, and the longest time between two of them."""
        values = self.values
        last_s = values[_ACTED_S]
        if last_s and now - last_s > values[_LONGEST_S]:
            values[_LONGEST_S] = now - last_s
        values[_ACTED_S] = values[_HEARTBEAT_S] = now

    def count(self, name: str, value: float) -> None:
        """Set the count `name` to `value`."""
        self.values[_ROW[name]] = value

    def show(self, presence: int) -> None:
        """Set the worker's presence."""
        self.values[_PRESENCE] = presence

    def stepped(self, loss: float, compute_s: float, sleep_s: float, batch_size: int) -> None:
        """Record a step: its mini-batch's loss, the seconds computed and slept."""
        values = self.values
        values[_LOSS] = loss
        values[_COMPUTE_S] += compute_s
        values[_SLEEP_S] += sleep_s
        values[_BATCH_SIZE] = batch_size
        sample_s, recent_s = (compute_s + sleep_s) / batch_size, values[_SAMPLE_S]
        values[_SAMPLE_S] = recent_s + (sample_s - recent_s) * (SMOOTHING if recent_s else 1.0)

    def hold(self, number: int, first: int, size: int) -> None:
        """Show range `number` of the samples that the worker holds: its first position and size."""
        at = _HELD + 2 * number
        self.values[at], self.values[at + 1] = first, size

    def landed(self, sent_bytes: int, lag: int) -> None:
        """Record a commit that has landed: the bytes sent for it, and its lag."""
        self.values[_SENT_MB] += sent_bytes / 1e6
        self.values[_STALENESS] += lag
