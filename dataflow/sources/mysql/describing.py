"""Describe a whole database for `dataflow discover`: tables, keys, foreign keys, and a sample of each."""

from __future__ import annotations

from dataflow.settings import MySQLSettings
from dataflow.sources.found import SAMPLE_ROWS, FoundColumn, FoundTable, Link, object_name
from dataflow.sources.mysql.columns import Column, read_columns
from dataflow.sources.mysql.connection import Session, literal, open_session, quote

_DOING = "Describing the database"
_MOST_COUNTED = 5_000_000
"""Rows of a larger table are estimated: counting them would take the server seconds."""


def found_tables(name: str, settings: MySQLSettings) -> list[FoundTable]:
    """Return the tables of the database; views are left out. Raises: the errors of connecting."""
    with open_session(name, settings, doing=_DOING) as session:
        found = session.ask(
            "SELECT TABLE_NAME, COALESCE(TABLE_ROWS, 0) FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME",
            doing=_DOING,
        )
        return [_table(session, settings, str(table), int(rows)) for table, rows in found]


def _table(session: Session, settings: MySQLSettings, table: str, estimated: int) -> FoundTable:
    columns = [one for one in read_columns(session, settings, table, doing=_DOING) if not one.is_bytes]
    stamped = {
        str(name)
        for (name,) in session.ask(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
            f" AND TABLE_NAME = {literal(table)} AND LOWER(EXTRA) LIKE '%on update%'",
            doing=_DOING,
        )
    }
    key, evidence = _key(session, table, columns)
    rows = estimated
    if estimated <= _MOST_COUNTED:
        [(rows,)] = session.ask(f"SELECT COUNT(*) FROM {quote(table)}", doing=_DOING)
    sample = session.ask(
        f"SELECT {', '.join(_as_text(one) for one in columns)} FROM {quote(table)} LIMIT {SAMPLE_ROWS}", doing=_DOING
    )
    described = [
        FoundColumn(
            one.name,
            "VARCHAR" if one.type in ("JSON", "UUID") else one.type,
            [str(row[place]) for row in sample if row[place] not in (None, "")],
            one.name in stamped,
        )
        for place, one in enumerate(columns)
    ]
    links = _links(session, table)
    return FoundTable(object_name(table), table, described, key, evidence, links, int(rows))


def _as_text(column: Column) -> str:
    return f"CAST({quote(column.name)} AS CHAR)"


def _key(session: Session, table: str, columns: list[Column]) -> tuple[tuple[str, ...], str]:
    found = session.ask(
        "SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()"
        f" AND TABLE_NAME = {literal(table)} AND NON_UNIQUE = 0"
        " ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
        doing=_DOING,
    )
    indexes: dict[str, list[str]] = {}
    for index, column in found:
        indexes.setdefault(str(index), []).append(str(column))
    nullable = {column.name for column in columns if column.is_nullable}
    for index, names in indexes.items():
        if nullable.isdisjoint(names):
            return tuple(names), "primary key" if index == "PRIMARY" else f"unique key {index}"
    return tuple(one.name for one in columns), ""


def _links(session: Session, table: str) -> list[Link]:
    found = session.ask(
        "SELECT CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME"
        " FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = DATABASE()"
        f" AND TABLE_NAME = {literal(table)} AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY 1, ORDINAL_POSITION",
        doing=_DOING,
    )
    return [
        Link(str(mine), object_name(str(theirs)), str(column), f"foreign key {constraint}")
        for constraint, mine, theirs, column in found
    ]
