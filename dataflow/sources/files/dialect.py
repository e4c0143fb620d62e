"""What a delimited text is: its delimiter, its quote, the escape of a quote inside a value, the longest row believed.

Both readers of CSV use it: `delimited` streams exports and keeps what does not fit, `any_table` has DuckDB read a file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from lakehouse.table import literal

SAMPLE_LINES = 200
"""Lines by which the dialect of a file is detected."""

LONGEST_ROW = 16 * 1024 * 1024
"""Characters or bytes: a quote that is never closed would otherwise make one row of the rest of the file."""

_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_ANY_DELIMITER = f"[{''.join(_NAMES)}]"
_SINGLE_QUOTED = re.compile(rf"(?:^|{_ANY_DELIMITER})'[^'\n]*'(?:{_ANY_DELIMITER}|$)", re.MULTILINE)

# The module's own limit, 131,072, is below a long ticket; it can only be set for the whole process.
csv.field_size_limit(LONGEST_ROW)


@dataclass(frozen=True)
class Dialect:
    """Without `escape`, a quote inside a quoted value is written twice."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Parse lines; strict, so that text after a closing quote is an error and not a guess."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote,
            escapechar=self.escape,
            doublequote=self.escape is None,
            strict=True,
        )

    def duckdb_options(self) -> dict[str, str]:
        """The same for DuckDB's read_csv, as SQL."""
        return {
            "delim": literal(self.delimiter),
            "quote": literal(self.quote),
            "escape": literal(self.escape or self.quote),
            "max_line_size": str(LONGEST_ROW),
        }

    def __str__(self) -> str:
        escaped = ", escaped by backslash" if self.escape else ""
        return f"{_NAMES[self.delimiter]}, {'double' if self.quote == chr(34) else 'single'} quotes{escaped}"


def has_names(row: list[str]) -> bool:
    """Whether a row can be the header: one without any text is passed over."""
    return any(name.strip() for name in row)


def detect_dialect(lines: list[str], declared: Iterable[str] | None = None) -> Dialect:
    """Choose the dialect under which the sample reads best.

    The declared fields are the strongest witness: a header that reads as them was split rightly. Where none are
    declared, what stands between the delimiters of the first line, whatever they are, is taken for the fields. Then
    counts the share of rows as wide as the header, then the width. On a tie the plainer dialect stands, so the order
    of trial matters.
    """
    names = set(_guessed_names(lines) if declared is None else declared)
    best = max((Dialect(delimiter) for delimiter in _NAMES), key=lambda one: _score(one, lines, names))
    if _score(best, lines, names)[1] == 1.0 and (not names or _score(best, lines, names)[0]):
        return best
    text = "".join(lines)
    # Only where they are seen at work: under single quotes a broken row of the usual kind would read as a sound one.
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
