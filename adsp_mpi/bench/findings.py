"""The results of one part of the benchmark: lines to print, rows for JSON, bars to meet."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bar:
    """A measured number and the limit that it must keep."""

    what: str
    figure: float
    limit: float
    at_least: bool = False
    unit: str = "x"

    @property
    def holds(self) -> bool:
        held = self.figure >= self.limit if self.at_least else self.figure <= self.limit
        return bool(held)

    def line(self) -> str:
        """The bar as one line to print."""
        sign = "at least" if self.at_least else "at most"
        verdict = "holds" if self.holds else "MISSED"
        return f"{verdict:<7} {self.figure:>9.3g} {self.unit:<2} {sign} {self.limit:g}: {self.what}"


@dataclass
class Findings:
    """The results of one part."""

    lines: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The results as they go into the JSON file."""
        return {
            "rows": self.rows,
            "bars": [{**asdict(bar), "holds": bar.holds} for bar in self.bars],
        }
