"""The definition of speed that all tables, figures and pages share."""

import numpy as np


def steps_per_second(steps: np.ndarray | int, training_s: np.ndarray | float) -> np.ndarray:
    """Steps per second of computing and injected sleep; NaN if there was no such time.

    Steps that a worker was excused from are in no trace, so they do not count.
    """
    seconds = np.asarray(training_s, dtype=float)
    return np.divide(steps, seconds, np.full(seconds.shape, np.nan), where=seconds > 0)
