"""The columns of a table: how each is asked for, and what DuckDB makes of the text that comes back.

What comes back equals what the database's export to Parquet would give for the same row, so that a company may read
its export today and its replica tomorrow and raw sees no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow.errors import SourceMissing
from dataflow.settings import MySQLSettings
from dataflow.sources.mysql.connection import Session, literal, quote
from lakehouse.table import literal as duck_literal
from lakehouse.table import quote as duck_quote

ZERO_DATE = "0000-00-00"
"""MySQL's date that is none. It reads as null, which the report says; a day like 2026-02-31 stays the text it is."""

_INTEGERS = {"tinyint": "TINYINT", "smallint": "SMALLINT", "mediumint": "INTEGER", "int": "INTEGER", "bigint": "BIGINT"}
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_SPATIAL = frozenset(
    {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}
    | {"geometrycollection", "geomcollection"}
)
_TEXTS = frozenset(
    {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json", "decimal", "time", "year"}
    | {"date", "datetime", "timestamp", "double", *_INTEGERS, *_BYTES}
)
"""Types whose text on the wire is the value itself."""
_MOMENTS = frozenset({"date", "datetime", "timestamp"})


@dataclass(frozen=True)
class Column:
    """One column. `type` is in DuckDB's words; `base` in the server's, without length."""

    name: str
    type: str
    base: str
    is_nullable: bool = True
    has_fraction: bool = False
    is_zerofilled: bool = False

    @property
    def is_bytes(self) -> bool:
        return self.base in _BYTES

    @property
    def is_moment(self) -> bool:
        """Whether it can say when a row changed."""
        return self.base in _MOMENTS

    @property
    def is_integer(self) -> bool:
        return self.base in _INTEGERS

    @property
    def asked(self) -> str:
        """What to select, in MySQL's SQL, so that the text on the wire is exact."""
        name = quote(self.name)
        if self.base == "float":
            # As text a FLOAT has six digits; as a double it has all that it holds.
            return f"{name} + 0e0"
        if self.base == "bit":
            return f"CAST({name} AS UNSIGNED)"
        if self.base in _SPATIAL:
            return f"ST_AsText({name})"
        if self.is_zerofilled and self.type.startswith("DECIMAL"):
            return f"CAST({name} AS {self.type})"
        return name if self.base in _TEXTS else f"CAST({name} AS CHAR)"

    def typed(self, place: str, *, zone: str, has_zero_dates: bool) -> str:
        """What it is, in DuckDB's SQL over the text that came back (`place`); `zone` is that of naive times."""
        text = duck_quote(place)
        if self.base in _TYPED:
            return _TYPED[self.base](text)
        if self.is_integer:
            return f"{text}::{'UBIGINT' if self.type == 'UBIGINT' else 'BIGINT'}"
        if self.base == "bit":
            return f"{text} = '1'" if self.type == "BOOLEAN" else f"{text}::UBIGINT"
        if self.base == "time":
            return _without_zeros(text) if self.has_fraction else text
        if self.is_moment:
            moment = self._moment(text, zone)
            # Looked for only where there are some: it took a fifth of the shaping.
            return f"CASE WHEN NOT starts_with({text}, '{ZERO_DATE}') THEN {moment} END" if has_zero_dates else moment
        return text

    def _moment(self, text: str, zone: str) -> str:
        whole = _without_zeros(text) if self.has_fraction else text
        if self.base == "datetime" and zone != "UTC":
            local = f"try_cast({text} AS TIMESTAMP) AT TIME ZONE {duck_literal(zone)}"
            whole = f"coalesce(({local} AT TIME ZONE 'UTC')::VARCHAR, {text})"
        if self.base == "timestamp":
            whole = f"{whole} || '+00'"
        return whole


_TYPED: Mapping[str, Callable[[str], str]] = {
    "year": lambda text: f"{text}::BIGINT",
    "double": lambda text: f"{text}::DOUBLE",
    "float": lambda text: f"{text}::DOUBLE",
}


def _without_zeros(text: str) -> str:
    """12:30:00.120000 is written 12:30:00.12, as DuckDB does."""
    return f"rtrim(rtrim({text}, '0'), '.')"


def read_columns(session: Session, settings: MySQLSettings, table: str, *, doing: str) -> tuple[Column, ...]:
    """Describe a table. Raises: SourceMissing when it is not there, or not for this user."""
    found = session.ask_named(
        "SELECT COLUMN_NAME AS name, DATA_TYPE AS base, COLUMN_TYPE AS whole, NUMERIC_PRECISION AS digits,"
        " NUMERIC_SCALE AS scale, DATETIME_PRECISION AS fraction, IS_NULLABLE AS nullable"
        f" FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {literal(settings.database)}"
        f" AND TABLE_NAME = {literal(table)} ORDER BY ORDINAL_POSITION",
        doing=doing,
    )
    if not found:
        raise SourceMissing(
            f"{doing}: the database {settings.database} has no table {table}, or none that {settings.user} may read.",
            next_move="Correct the object's remote in dataflow.toml, or have SELECT granted.",
        )
    return tuple(_column(row) for row in found)


def _column(row: Mapping[str, Any]) -> Column:
    base, whole = str(row["base"]).lower(), str(row["whole"]).lower()
    return Column(
        name=str(row["name"]),
        type=_type(base, whole, row),
        base=base,
        is_nullable=row["nullable"] == "YES",
        has_fraction=bool(row["fraction"]),
        is_zerofilled="zerofill" in whole,
    )


def _type(base: str, whole: str, row: Mapping[str, Any]) -> str:
    if base in _INTEGERS:
        kind = _INTEGERS[base]
        return f"U{kind}" if "unsigned" in whole else kind
    if base == "decimal":
        return f"DECIMAL({row['digits']},{row['scale']})"
    if base == "bit":
        return "BOOLEAN" if row["digits"] == 1 else "UBIGINT"
    if base in _BYTES:
        return "BLOB"
    return _WORDS.get(base, "VARCHAR")


_WORDS = {
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "time": "TIME",
    "year": "USMALLINT",
    "json": "JSON",
    "uuid": "UUID",
}


def select_list(columns: Sequence[Column]) -> str:
    return ", ".join(column.asked for column in columns)


def typed_relation(columns: Sequence[Column], relation: str, *, zone: str, has_zero_dates: bool) -> str:
    """Build the SELECT that gives the columns of `relation` (named `0`, `1`, …) their names and types."""
    made = (
        f"{column.typed(str(number), zone=zone, has_zero_dates=has_zero_dates)} AS {duck_quote(column.name)}"
        for number, column in enumerate(columns)
    )
    return f"SELECT {', '.join(made)} FROM {relation}"
