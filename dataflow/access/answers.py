"""Read the rows of a person's statement: each column under a name of its own, each value as DuckDB says it.

DuckDB's client turns dates into Python's, which end at the year 9999 and know neither infinity nor BC, and intervals
into days. It does so without an error, so here DuckDB itself writes such values as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from lakehouse.table import literal

_BATCH_ROWS = 10_000
_NESTED = frozenset({"array", "list", "map", "struct", "union"})
_HAS_DATES = re.compile(r"\b(DATE|TIMESTAMP)")
# In the text of a nested value: infinity, a year before Christ, a year of five digits or more.
_BEYOND_PYTHON = literal(r"infinity|\(BC\)|\d{5,}-\d\d-\d\d")
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


Row = tuple[Any, ...]


def _unnoted(rows: Iterator[Row]) -> Iterator[Row]:
    return rows


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one statement, computed while its rows are read; `is_plan` for EXPLAIN.

    `texts` has, by the place of a column, the place of the text that replaces a value unless it is null. `taken` notes
    the rows that are taken from the answer.
    """

    columns: list[str]
    is_plan: bool
    relation: duckdb.DuckDBPyRelation
    texts: dict[int, int]
    taken: Callable[[Iterator[Row]], Iterator[Row]] = _unnoted

    def rows(self) -> Iterator[Row]:
        """Yield the rows. Raises: duckdb.Error; what `taken` raises."""
        return self.taken(self._rows())

    def _rows(self) -> Iterator[Row]:
        width = len(self.columns)
        while batch := self.relation.fetchmany(_BATCH_ROWS):
            if not self.texts:
                yield from batch
                continue
            for row in batch:
                values = list(row[:width])
                for column, text in self.texts.items():
                    if row[text] is not None:
                        values[column] = row[text]
                yield tuple(values)


def answer_of(con: duckdb.DuckDBPyConnection, statement: str, *, is_plan: bool) -> Answer:
    """Return the answer to a checked SELECT or EXPLAIN. Raises: duckdb.Error."""
    relation = con.sql(statement)
    kinds = list(enumerate(relation.types, start=1))
    as_is = [f"#{at}" for at, _ in kinds]
    shown = [f"CAST(#{at} AS VARCHAR)" if kind.id == "interval" else f"#{at}" for at, kind in kinds]
    texts = {}
    for at, kind in kinds:
        if condition := _beyond_python(f"#{at}", kind):
            texts[at - 1] = len(shown)
            shown.append(f"CASE WHEN {condition} THEN CAST(#{at} AS VARCHAR) END")
    columns = unique_names(relation.columns)
    if shown != as_is:
        relation = relation.project(", ".join(shown))
    return Answer(columns=columns, is_plan=is_plan, relation=relation, texts=texts)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names of columns as DuckDB names those of a table: a, a_1; a and A are alike."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        free, number = name, 0
        while fold(free) in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(fold(free))
        found.append(free)
    return found


def fold(name: str) -> str:
    """Return the name as DuckDB compares it: ASCII letters in lower case, every other character as it is.

    Python's `lower` makes "k" of the Kelvin sign, so that two names of DuckDB would be one.
    """
    return name.translate(_ASCII_LOWER)


def _beyond_python(column: str, kind: Any) -> str:
    """Return the condition for a value that Python cannot hold; "" for a type without such values."""
    match kind.id:
        case "date":
            return f"{column} NOT BETWEEN DATE '0001-01-01' AND DATE '9999-12-31'"
        case "timestamp with time zone":
            return _outside(column, "TIMESTAMPTZ", zone="+00")
        case "timestamp_ns":
            return f"{_outside(column, 'TIMESTAMP')} OR CAST(CAST({column} AS TIMESTAMP) AS TIMESTAMP_NS) <> {column}"
        case "timestamp" | "timestamp_s" | "timestamp_ms":
            return _outside(column, "TIMESTAMP")
        case nested if nested in _NESTED and _HAS_DATES.search(str(kind)):
            return f"regexp_matches(CAST({column} AS VARCHAR), {_BEYOND_PYTHON})"
    return ""


def _outside(column: str, kind: str, *, zone: str = "") -> str:
    first, last = f"{kind} '0001-01-01 00:00:00{zone}'", f"{kind} '9999-12-31 23:59:59.999999{zone}'"
    return f"CAST({column} AS {kind}) NOT BETWEEN {first} AND {last}"
