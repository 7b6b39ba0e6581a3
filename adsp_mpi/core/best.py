"""Which evaluation of a run was the best so far, and how many came after it."""

from dataclasses import dataclass
from typing import Any, Mapping

from adsp_mpi.errors import AdspError

LARGEST = "max:"
"""Before the name of a metric: the largest value is the best, not the smallest."""


@dataclass
class Best:
    """The best value so far of `metric`, which is a name, or max:NAME where large is good."""

    metric: str = "loss"
    value: float | None = None
    since: int = 0
    """Evaluations after the best one; 0 if the last one was the best."""

    def evaluated(self, metrics: Mapping[str, float]) -> bool:
        """Count an evaluation; returns whether it is the best so far. NaN is never better.

        Raises AdspError if it has no such metric.
        """
        name = self.metric.removeprefix(LARGEST)
        if name not in metrics:
            raise AdspError(
                f"stop.metric: an evaluation has no {name!r}; there are: {', '.join(metrics)}"
            )
        value, sign = metrics[name], -1 if self.metric.startswith(LARGEST) else 1
        better = value == value if self.value is None else sign * value < sign * self.value
        if better:
            self.value = value
        self.since = 0 if better else self.since + 1
        return better

    def state_dict(self) -> dict[str, Any]:
        """For `load_state_dict`."""
        return {"metric": self.metric, "value": self.value, "since": self.since}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned, unless that was about another metric."""
        if state["metric"] == self.metric:
            self.value, self.since = state["value"], state["since"]
