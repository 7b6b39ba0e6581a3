"""The median and the range of a number over several runs."""

from dataclasses import dataclass
from math import inf, isinf, isnan
from statistics import median
from typing import Iterable


@dataclass(frozen=True)
class Spread:
    """The median, smallest and largest value; infinity: a target that was not reached."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread":
        """The spread of `values`; a None means not reached, and so does an empty list."""
        known = [inf if value is None else value for value in values] or [inf]
        return cls(median(known), min(known), max(known))

    @property
    def reached(self) -> bool:
        return self.middle < inf

    def text(self, digits: int, infinite: str = "not reached") -> str:
        """The median, with the range in brackets if there is one; "-" if nothing is known."""
        numbers = (self.middle, self.low, self.high)
        if any(isnan(value) for value in numbers):
            return "-"
        middle, low, high = (infinite if isinf(v) else f"{v:.{digits}f}" for v in numbers)
        return middle if low == high else f"{middle} ({low} to {high})"
