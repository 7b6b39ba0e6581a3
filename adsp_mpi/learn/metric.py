"""Metrics that accumulate over the batches of an evaluation, as those of torchmetrics do."""

from typing import Any


def accumulates(metric: Any) -> bool:
    """Whether it has the methods `compute` and `reset`."""
    return all(callable(getattr(metric, name, None)) for name in ("compute", "reset"))


def value_of(metric: Any) -> float:
    """A number or scalar tensor as a float, or what a metric has accumulated, which is then reset.

    Raises TypeError, ValueError or RuntimeError for anything else.
    """
    if not accumulates(metric):
        return float(metric)
    value = float(metric.compute())
    metric.reset()
    return value
