"""Compare a declared key with the primary and unique keys of its table: rows that share a key replace each other."""

from __future__ import annotations

from dataflow.errors import ObjectHeldBack
from dataflow.sources.mysql.connection import Session, literal, quote
from dataflow.sources.mysql.cutting import estimate
from dataflow.sources.mysql.questions import Table
from dataflow.sources.rows import key_setting

_MOST_ROWS = 20_000_000
"""Of a larger table without a fitting unique key no duplicates are searched: the server would take minutes."""


def unique_keys(session: Session, table: Table, *, doing: str) -> list[tuple[str, ...]]:
    """Return the columns of the table's primary key and unique keys without null, the primary key first."""
    found = session.ask(
        "SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()"
        f" AND TABLE_NAME = {literal(table.name)} AND NON_UNIQUE = 0"
        " ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
        doing=doing,
    )
    indexes: dict[str, list[str]] = {}
    for index, column in found:
        indexes.setdefault(str(index), []).append(str(column))
    nullable = {column.name for column in table.columns if column.is_nullable}
    return [tuple(columns) for columns in indexes.values() if nullable.isdisjoint(columns)]


def is_unique(table: Table, keys: list[tuple[str, ...]]) -> bool:
    """Return whether one of the table's keys makes the declared key unique."""
    declared = {column.name for column in table.keys}
    return any(declared >= set(columns) for columns in keys)


def require_unique(session: Session, table: Table, *, doing: str) -> None:
    """Refuse a declared key that several rows of the table share, where no key of the server excludes it.

    Raises: ObjectHeldBack naming the server's keys.
    """
    keys = unique_keys(session, table, doing=doing)
    if is_unique(table, keys) or not has_duplicates(session, table, doing=doing):
        return
    raise ObjectHeldBack(
        f"{doing}: the key {table.declared.key} is not unique in {table.name}; nothing of the object is landed.",
        next_move=move(keys),
    )


def has_duplicates(session: Session, table: Table, *, doing: str) -> bool:
    """Return whether two rows share the declared key, byte for byte."""
    if not table.keys or estimate(session, table, "TRUE", doing=doing) > _MOST_ROWS:
        return False
    names = [quote(c.name) if c.is_integer else f"CAST({quote(c.name)} AS BINARY)" for c in table.keys]
    given = " AND ".join(f"{quote(column.name)} IS NOT NULL" for column in table.keys)
    found = session.ask(
        f"SELECT 1 FROM {quote(table.name)} WHERE {given} GROUP BY {', '.join(names)} HAVING COUNT(*) > 1 LIMIT 1",
        doing=doing,
    )
    return bool(found)


def move(keys: list[tuple[str, ...]]) -> str:
    """Return the next move: which keys the server has."""
    if not keys:
        return "The table has no unique key without null: declare as key the columns that identify a row."
    listed = "; ".join(key_setting(columns) for columns in keys)
    return f"Declare a key that is unique at the server: {listed}."
