"""What one worker says about itself: its row of the board."""

import numpy as np

ROW_FIELDS = (
    "presence",
    "steps",
    "begun",
    "commits",
    "rounds",
    "pulls",
    "restores",
    "checkpoint",  # the last one that it was to write its part of
    "disk_error",  # errno of its last write that failed; 0: none did
    "trace_cut",  # 1: the disk no longer takes its trace
    "admitted",  # how often it has followed being taken in
    "excused_steps",  # of its steps and commits, those that it was given when it was taken in
    "excused_commits",
    "longest_s",  # that its loop has taken between two signs
    "batch_size",
    "sample_s",
    "compute_s",
    "sleep_s",
    "commit_s",
    "wait_s",
    "loss",
    "sent_mb",
    "staleness",
    "heartbeat_s",  # its last sign of life, also from within a long step
    "acted_s",  # the last sign of its loop
    "late_steps",
)
_ROW = {name: i for i, name in enumerate(ROW_FIELDS)}
_LOSS, _COMPUTE_S, _SLEEP_S, _BATCH_SIZE, _SAMPLE_S = (
    _ROW[name] for name in ("loss", "compute_s", "sleep_s", "batch_size", "sample_s")
)
_PRESENCE, _HEARTBEAT_S, _ACTED_S, _LONGEST_S = (
    _ROW[name] for name in ("presence", "heartbeat_s", "acted_s", "longest_s")
)

SMOOTHING = 0.1
"""Weight of a new step in the recent time per sample."""


class Row:
    """What one worker says about itself, by name: its row of a board."""

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
        """The worker's loop shows itself, and what its longest time between two signs was."""
        values = self.values
        last_s = values[_ACTED_S]
        if last_s and now - last_s > values[_LONGEST_S]:
            values[_LONGEST_S] = now - last_s
        values[_ACTED_S] = values[_HEARTBEAT_S] = now

    def count(self, name: str, value: float) -> None:
        """The count `name` is `value` now."""
        self.values[_ROW[name]] = value

    def show(self, presence: int) -> None:
        """How the worker takes part."""
        self.values[_PRESENCE] = presence

    def stepped(self, loss: float, compute_s: float, sleep_s: float, batch_size: int) -> None:
        """One more step: its mini-batch's loss, the seconds computed and slept."""
        values = self.values
        values[_LOSS] = loss
        values[_COMPUTE_S] += compute_s
        values[_SLEEP_S] += sleep_s
        values[_BATCH_SIZE] = batch_size
        sample_s, recent_s = (compute_s + sleep_s) / batch_size, values[_SAMPLE_S]
        values[_SAMPLE_S] = recent_s + (sample_s - recent_s) * (SMOOTHING if recent_s else 1.0)
