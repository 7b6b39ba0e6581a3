"""What speed is, wherever a table, a figure or a page shows it."""

import numpy as np


def steps_per_second(steps: np.ndarray | int, training_s: np.ndarray | float) -> np.ndarray:
    """Steps per second of computing and injected sleep; NaN where no time was spent.

    Steps that a worker was excused from are in no trace, so they do not count.
    """
    seconds = np.asarray(training_s, dtype=float)
    return np.divide(steps, seconds, np.full(seconds.shape, np.nan), where=seconds > 0)
