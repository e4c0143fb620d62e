"""Unmarked deletions: the keys that raw holds and the table no longer has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from dataflow.sources.mysql.columns import Column, select_list
from dataflow.sources.mysql.connection import Session, literal, quote
from dataflow.sources.mysql.questions import Table
from dataflow.sources.mysql.reading import read_rows

_KEYS_AT_ONCE = 5_000


def find_missing_keys(session: Session, table: Table, known_keys: Iterator[str]) -> Iterator[str]:
    """Yield the known keys without a row. Raises: pymysql.MySQLError, OSError, SourceError."""
    while known := list(islice(known_keys, _KEYS_AT_ONCE)):
        # A key that no row can have (the hash of a row received without a key) does not indicate a deletion.
        possible = {key: terms for key in known if (terms := _terms(table.keys, key)) is not None}
        if possible:
            present = _present(session, table, list(possible.values()))
            yield from (key for key in possible if key not in present)


def _present(session: Session, table: Table, terms: Sequence[str]) -> set[str]:
    names = ", ".join(quote(column.name) for column in table.keys)
    query = f"SELECT {select_list(table.keys)} FROM {quote(table.name)} WHERE ({names}) IN ({', '.join(terms)})"
    found: set[str] = set()
    for batch in read_rows(session, table, query, columns=table.keys, zero_dates=Counter()):
        found.update(batch.column("record_key").to_pylist())
    return found


def _terms(columns: Sequence[Column], key: str) -> str | None:
    """Return a key as SQL, its parts in brackets; None when it does not fit these columns."""
    parts = [key] if len(columns) == 1 else [_plain(part) for part in key.split("|")]
    if len(parts) != len(columns):
        return None
    terms = []
    for column, part in zip(columns, parts, strict=True):
        if column.is_integer and not part.lstrip("-").isdecimal():
            return None
        terms.append(part if column.is_integer else literal(part))
    return f"({', '.join(terms)})"


def _plain(part: str) -> str:
    return part.replace("%7C", "|").replace("%25", "%")
