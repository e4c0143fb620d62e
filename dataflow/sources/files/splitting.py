"""Split the lines of a CSV into rows; lines that make no row are set aside one by one, and no other row with them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from dataflow.sources.files.dialect import Dialect, has_names
from dataflow.sources.files.encoding import MISFIT
from dataflow.sources.files.lines import LINE_ENDS, Lines
from dataflow.sources.files.quotes import IsRow, read_alone, swallows_rows

_INVALID = "bytes that are invalid in the file's encoding"


class Row(NamedTuple):
    """A row; `line` is its first line. Where its values do not fit the header, `raw` is its text and `defect` why."""

    line: int
    values: list[str]
    defect: str | None = None
    raw: str | None = None
    sure: int = 0
    """In a row that does not fit: how many values from the left are certainly in their own column."""


def take_header(lines: Lines, dialect: Dialect) -> list[str]:
    """Read up to the first row with a text, and return its names."""
    reader = dialect.reader(lines)
    while True:
        lines.begin_row()
        try:
            names = next(reader)
        except (csv.Error, StopIteration):
            return []
        lines.passed += len(lines.row)
        if has_names(names):
            return _distinct([name.strip() for name in names])


@dataclass
class RowSplitter:
    """Split the lines after the header. `dialect` loses its quote where the file turns out to have none.

    `is_unquoted` reads the whole file, and is called at most once, at the first quote that is out of place. Of a file
    that may still be written (`is_growing`) a last row without line end waits: it can be cut inside its last value.
    """

    lines: Lines
    dialect: Dialect
    width: int
    is_row: IsRow
    is_unquoted: Callable[[], bool]
    is_growing: bool = False
    waits: bool = False

    def rows(self) -> Iterator[Row]:
        """Yield each row, whole or set aside."""
        lines, width, is_growing = self.lines, self.width, self.is_growing
        reader = self.dialect.reader(lines)
        is_settled = False
        while True:
            lines.begin_row()
            begin = lines.taken + 1
            error = ""
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as found:
                values, error = [], str(found)
            if len(values) == width and len(lines.row) == 1 and not is_growing:
                # Nearly all rows: what follows would be a twentieth of the reading.
                yield Row(begin, values, _INVALID if MISFIT in lines.row[0] else None)
                continue
            if is_growing and not lines.row[-1].endswith(LINE_ENDS):
                self.waits = True
                lines.passed += len(lines.row)
                continue
            swallows = not error and len(lines.row) > 1 and swallows_rows(lines.row, self.dialect, width, self.is_row)
            if (error or swallows) and not is_settled:
                is_settled = True
                if self.is_unquoted():
                    self.dialect = replace(self.dialect, quote=None)
                    reader = self.dialect.reader(lines)
                    lines.give_back(keep=0)
                    continue
            if error:
                yield self._broken(begin, error)
            elif swallows:
                yield from self._swallowed(begin)
            elif values:
                lines.joined += len(lines.row) - 1
                yield self._row(begin, values) if len(values) != width else Row(begin, values, _misfit(lines.row))
            else:
                lines.passed += len(lines.row)

    def _row(self, begin: int, values: list[str]) -> Row:
        raw = "".join(self.lines.row)
        if len(values) < self.width and not raw.endswith(LINE_ENDS):
            defect = f"cut off: {len(values)} of {self.width} fields and no line end"
            # The last value itself can be cut off.
            return Row(begin, values, defect, raw, sure=len(values) - 1)
        # The surplus or missing delimiter can be anywhere after the first value.
        return Row(begin, values, f"{len(values)} fields where the header has {self.width}", raw, sure=1)

    def _broken(self, begin: int, error: str) -> Row:
        # Only the first line certainly belongs to the row; the others can be valid rows.
        self.lines.give_back(keep=1)
        is_open = "unexpected end" in error
        defect = "a quote is opened and not closed" if is_open else "text after a closing quote"
        [line] = self.lines.row
        return Row(begin, _loosely(line, self.dialect), defect, line, sure=1)

    def _swallowed(self, begin: int) -> Iterator[Row]:
        """Set each line aside: read as one value they hide rows, read as rows a text could forge them."""
        lines = list(self.lines.row)
        defect = (
            f"one of {len(lines)} lines between two quotes, with whole rows among them: stray quotes, or a value "
            "with line ends"
        )
        for number, line in enumerate(lines):
            values = read_alone(line, self.dialect).values
            yield Row(begin + number, values, defect, line, sure=len(values) if self.is_row(values) else 0)


def _distinct(names: list[str]) -> list[str]:
    """Name columns without a name, and number duplicates, so that no value hides another."""
    result: list[str] = []
    for place, name in enumerate(names, start=1):
        base = name or f"column_{place}"
        chosen, number = base, 1
        while chosen in result:
            number += 1
            chosen = f"{base}__{number}"
        result.append(chosen)
    return result


def _misfit(lines: list[str]) -> str | None:
    return _INVALID if any(MISFIT in line for line in lines) else None


def _loosely(line: str, dialect: Dialect) -> list[str]:
    return [value.strip(dialect.quote) for value in line.rstrip("\r\n").split(dialect.delimiter)]
