"""Numbers that the literature defines on a run: heterogeneity, implicit momentum."""

import numpy as np


def heterogeneity(speeds: np.ndarray) -> float:
    """H = mean speed / smallest speed; 1 is homogeneous. `speeds` in steps per second, [M].

    Source: AAAI 2020, section 5.1. Raises ValueError for a speed that is not above 0.
    """
    speeds = np.asarray(speeds, dtype=float)
    if not speeds.size or not (speeds > 0).all():
        raise ValueError(f"speeds must all be above 0: {speeds}")
    return float(speeds.mean() / speeds.min())
