"""The table behind everything printed: as plain text, as Markdown, as CSV."""

import csv
import io
import os
import sys
from dataclasses import dataclass
from typing import Any, Callable, Collection, Iterable, Mapping, Sequence, TypeVar

T = TypeVar("T")

WIDTH = 80
"""The width of a usual terminal, in characters."""

GAPS = ("  ", " ")
"""The gap between columns of plain text; the narrow one if the wide one takes too much room."""


@dataclass(frozen=True)
class Table:
    """Cells of text below a header.

    The columns named in `words` line up on their left; all others hold numbers and line up on
    their right.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Collection[str] = ()
    title: str = ""

    @classmethod
    def of(
        cls,
        columns: Mapping[str, Callable[[T], str]],
        items: Iterable[T],
        words: Collection[str] = (),
    ) -> "Table":
        """A row for each item; `columns` gives each column's text of an item."""
        return cls(
            list(columns), [[text(item) for text in columns.values()] for item in items], words
        )

    @classmethod
    def formatted(cls, rows: Iterable[Mapping[str, Any]], formats: Mapping[str, str]) -> "Table":
        """Rows by column name; `formats` gives each column's format, as for `format`."""
        cells = [[format(row[name], how) for name, how in formats.items()] for row in rows]
        return cls(list(formats), cells)

    def lines(self, width: int | None = None) -> list[str]:
        """Plain text with lines of at most `width` characters, if the columns allow it.

        Columns that do not fit follow below the others, with the first column repeated.
        """
        widths = self._widths()
        for gap in GAPS:
            if width is None or sum(widths) + len(gap) * (len(widths) - 1) <= width:
                return self._block(range(len(widths)), widths, gap)
        found: list[str] = []
        for columns in _folded(widths, width or 0):
            found += [*([""] if found else []), *self._block(columns, widths, GAPS[-1])]
        return found

    def text(self, width: int | None = None) -> str:
        """The `lines` as one text."""
        return "\n".join(self.lines(width))

    def markdown(self) -> str:
        """A Markdown table whose columns line up in plain text too, below its title."""
        widths = self._widths()
        rule = ["-" * width for width in widths]
        lines = [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
            for row in (self.header, rule, *self.rows)
        ]
        return "\n".join([*([f"## {self.title}", ""] if self.title else []), *lines])

    def csv(self) -> str:
        """Comma-separated values, the header first."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.header, *self.rows])
        return text.getvalue()

    def _widths(self) -> list[int]:
        return [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]

    def _block(self, columns: Sequence[int], widths: Sequence[int], gap: str) -> list[str]:
        def cell(row: Sequence[str], column: int) -> str:
            left = self.header[column] in self.words
            return row[column].ljust(widths[column]) if left else row[column].rjust(widths[column])

        rows = (self.header, *self.rows)
        return [gap.join(cell(row, column) for column in columns).rstrip() for row in rows]


def _folded(widths: Sequence[int], width: int) -> list[list[int]]:
    """The columns in blocks of at most `width` characters, each with the first column."""
    blocks = [[0]]
    for column in range(1, len(widths)):
        room = width - sum(widths[c] + 1 for c in blocks[-1])
        if widths[column] > room and len(blocks[-1]) > 1:
            blocks.append([0])
        blocks[-1].append(column)
    return blocks


def labelled(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A line for each label and its text, the texts below each other."""
    width = max((len(label) for label, _ in pairs), default=0)
    return [f"{label:<{width}}  {text}" for label, text in pairs]


def terminal_width() -> int | None:
    """The width of the terminal to which standard output goes; None if it is not a terminal."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return None
