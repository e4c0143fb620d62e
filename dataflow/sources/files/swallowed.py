"""Find values of an undeclared table that hold whole rows of it, as two stray quotes make them.

No cursor is known here. The columns that hold only numbers, times or addresses in all other rows decide whether a line
is a row; where there is no such column, only three lines and more, all as wide as the table, do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from dataflow.sources.files.dialect import Dialect
from dataflow.sources.files.quotes import IsRow
from lakehouse.table import literal

_KINDS = {"number": r"[0-9 .,:/+TZ-]*[0-9][0-9 .,:/+TZ-]*", "address": r"[^@\s]+@[^@\s]+"}
_MOST_LOOKED_AT = 10_000
_UNTYPED_LINES = 3
_UNTYPED_WIDTH = 3


@dataclass(frozen=True)
class Swallowed:
    """Values that hold whole rows: how many, the row of the first, and the test that their lines passed."""

    count: int
    first: int
    is_row: IsRow


@dataclass(frozen=True)
class _Likeness:
    """The kinds of columns by their place, as patterns of their texts."""

    width: int
    kinds: Mapping[int, re.Pattern[str]]

    def is_row(self, values: Sequence[str]) -> bool:
        return len(values) == self.width and self.fits(values, first=0)

    def fits(self, values: Sequence[str], *, first: int) -> bool:
        """Return whether values from the column `first` on are of the kinds of their columns."""
        kinds = ((self.kinds.get(place), value.strip()) for place, value in enumerate(values, start=first))
        return all(kind is None or not value or kind.fullmatch(value) for kind, value in kinds)


def find_swallowed(con: duckdb.DuckDBPyConnection, table: str, dialect: Dialect, *, width: int) -> Swallowed | None:
    """Find such values in a table with the columns c0, c1, … and "row number"; None where there are none."""
    if width < 2:
        return None
    found = con.execute(_candidates_sql(table, dialect, width)).fetchall()
    if not found:
        return None
    alike = _Likeness(width, _kinds(con, table, width))
    rows = [row for row, place, value in found if _is_swallowed(value, place, dialect, alike)]
    return Swallowed(len(rows), min(rows), alike.is_row) if rows else None


def _candidates_sql(table: str, dialect: Dialect, width: int) -> str:
    """Return the SELECT of (row, column, value) of values with line ends whose delimiters suffice for whole rows."""
    delimiter = literal(dialect.delimiter)

    def count(name: str, text: str) -> str:
        return f"(len({name}) - len(replace({name}, {text}, '')))"

    columns = [
        f"""
            SELECT "row number", {place}, c{place} FROM {table}
            WHERE contains(c{place}, chr(10))
            AND {count(f"c{place}", delimiter)} = {count(f"c{place}", "chr(10)")} * {width - 1}
        """
        for place in range(width)
    ]
    return f"{' UNION ALL '.join(columns)} LIMIT {_MOST_LOOKED_AT}"


def _kinds(con: duckdb.DuckDBPyConnection, table: str, width: int) -> dict[int, re.Pattern[str]]:
    """Return the pattern that all texts of a column match, in rows of one line."""
    names = [f"c{place}" for place in range(width)]
    tests = ", ".join(
        f"bool_and(regexp_full_match(trim({name}), {literal(pattern)}))"
        for name in names
        for pattern in _KINDS.values()
    )
    one_line = " AND ".join(f"NOT contains(coalesce({name}, ''), chr(10))" for name in names)
    [found] = con.execute(f"SELECT {tests} FROM {table} WHERE {one_line}").fetchall()
    patterns = [re.compile(pattern) for pattern in _KINDS.values()]
    kinds: dict[int, re.Pattern[str]] = {}
    for number, is_alike in enumerate(found):
        if is_alike:
            kinds[number // len(patterns)] = patterns[number % len(patterns)]
    return kinds


def _is_swallowed(value: str, place: int, dialect: Dialect, alike: _Likeness) -> bool:
    """Return whether all lines of a value, with what stands around it in its row, are rows."""
    first, *inner, last = (line.rstrip("\r").split(dialect.delimiter) for line in value.split("\n"))
    if len(first) != alike.width - place or len(last) != place + 1 or any(len(line) != alike.width for line in inner):
        return False
    if not alike.kinds and (len(inner) + 2 < _UNTYPED_LINES or alike.width < _UNTYPED_WIDTH):
        return False
    return alike.fits(first, first=place) and alike.fits(last, first=0) and all(map(alike.is_row, inner))
