"""The dialect of a delimited text: delimiter, quote, escape of a quote inside a value, limit of a row's length.

Both readers of CSV use it: `delimited` streams exports and keeps rows that do not fit, `any_table` reads with DuckDB.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import median

from dataflow.settings.csv import CsvSettings
from lakehouse.table import literal

SAMPLE_LINES = 200
"""Lines by which the dialect of a file is detected."""

BACKSLASH = "\\"

LONGEST_ROW = 16 * 1024 * 1024
"""In characters or bytes: a quote that is never closed would otherwise make one row of the rest of the file."""

_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_ANY_DELIMITER = f"[{''.join(_NAMES)}]"
_SINGLE_QUOTED = re.compile(rf"(?:^|{_ANY_DELIMITER})'[^'\n]*'(?:{_ANY_DELIMITER}|$)", re.MULTILINE)

_SEPARATOR_LINE = re.compile(rf"(\"?)sep={_ANY_DELIMITER}\1", re.IGNORECASE)

# The default limit of module csv, 131,072, is below a long ticket; it can only be set for the whole process.
csv.field_size_limit(LONGEST_ROW)


@dataclass(frozen=True)
class Dialect:
    """Without `escape`, a quote inside a quoted value is written twice. Without `quote`, quotes are characters."""

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None

    def reader(self, lines: Iterable[str], *, strict: bool = True) -> Iterator[list[str]]:
        """Parse lines; strictly, text after a closing quote is an error."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            escapechar=self.escape,
            doublequote=self.escape is None,
            strict=strict,
        )

    def duckdb_options(self) -> dict[str, str]:
        """Return the dialect as options of DuckDB's read_csv."""
        return {
            "delim": literal(self.delimiter),
            "quote": literal(self.quote or ""),
            "escape": literal(self.escape or self.quote or ""),
            "max_line_size": str(LONGEST_ROW),
        }

    def __str__(self) -> str:
        escaped = f", escaped by {'backslash' if self.escape == BACKSLASH else self.escape}" if self.escape else ""
        quotes = {'"': "double", "'": "single", None: "no"}.get(self.quote, str(self.quote))
        return f"{_NAMES.get(self.delimiter, self.delimiter)}, {quotes} quotes{escaped}"

    def declared(self, csv: CsvSettings) -> Dialect:
        """Return the dialect with what the object declares of it."""
        quote = {"": self.quote, "none": None}.get(csv.quote, csv.quote)
        return Dialect(csv.delimiter or self.delimiter, quote, csv.escape or self.escape)


def names_delimiter(line: str) -> bool:
    """Return whether a line is the `sep=;` that spreadsheets read and write above the header."""
    return bool(_SEPARATOR_LINE.fullmatch(line.rstrip("\r\n")))


def has_names(row: list[str]) -> bool:
    """Return whether a row can be the header: one without any text cannot."""
    return any(name.strip() for name in row)


def preamble_lines(lines: Sequence[str]) -> int:
    """Return how many lines stand before a table: those with less than half of the delimiters that most lines have."""

    def count(line: str, delimiter: str) -> int:
        # A title is often followed by the delimiters of empty values.
        return line.rstrip().rstrip(delimiter).count(delimiter)

    counts = {delimiter: [count(line, delimiter) for line in lines if line.strip()] for delimiter in _NAMES}
    delimiter = max(counts, key=lambda one: median(counts[one] or [0]))
    usual = median(counts[delimiter] or [0])
    first = int(bool(lines) and names_delimiter(lines[0]))
    return next(
        (n for n, line in enumerate(lines) if n >= first and usual and 2 * count(line, delimiter) >= usual), first
    )


def header_line(lines: Sequence[str], dialect: Dialect, needed: Iterable[str]) -> int | None:
    """Return which of the first lines has all of the needed names, as a header does; None where none has."""
    names = set(needed)
    for number, line in enumerate(lines):
        found = {name.strip() for row in _parse(dialect, [line]) if row for name in row}
        if names and names <= found:
            return number
    return None


def detect_dialect(lines: list[str], declared: Iterable[str] | None = None) -> Dialect:
    """Choose the dialect under which the sample parses best.

    First by the number of declared fields in the header; where none are declared, by the texts between any delimiters
    of the first line. Then by the share of rows as wide as the header, then by the width. On a tie the first dialect
    tried wins, so the plainer ones are tried first.
    """
    names = set(_guessed_names(lines) if declared is None else declared)
    best = max((Dialect(delimiter) for delimiter in _NAMES), key=lambda one: _score(one, lines, names))
    if _score(best, lines, names)[1] == 1.0 and (not names or _score(best, lines, names)[0]):
        return best
    text = "".join(lines)
    # Only where they occur: under single quotes a broken row in the usual dialect would parse as a valid one.
    quotes = ['"', "'"] if _SINGLE_QUOTED.search(text) else ['"']
    escapes = [None, "\\"] if '\\"' in text or "\\'" in text else [None]
    rarer = [Dialect(*parts) for parts in product(_NAMES, quotes, escapes)]
    return max([best, *rarer], key=lambda one: _score(one, lines, names))


def _guessed_names(lines: list[str]) -> list[str]:
    first = next((line for line in lines if line.strip()), "")
    return [name.strip().strip("\"'") for name in re.split(_ANY_DELIMITER, first)] if first else []


def _score(dialect: Dialect, lines: list[str], names: set[str]) -> tuple[int, float, int]:
    rows = [row for row in _parse(dialect, lines) if row is None or has_names(row)]
    header, body = (rows[0] or [], rows[1:]) if rows else ([], [])
    matched = sum(name.strip() in names for name in header)
    fitting = sum(row is not None and len(row) == len(header) for row in body)
    return matched, fitting / len(body) if body else 1.0, len(header)


def _parse(dialect: Dialect, lines: list[str]) -> Iterator[list[str] | None]:
    reader = dialect.reader(iter(lines))
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield None
