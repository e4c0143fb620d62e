"""Cast text to a declared type in SQL, and tell the text that the type does not hold exactly."""

from __future__ import annotations

import re

from dataflow.settings.field_types import SALESFORCE_ID
from dataflow.sources.salesforce_id import salesforce_id_sql
from dataflow.sources.typed import in_utc_sql, names_zone_sql
from lakehouse.table import literal

_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
          "UHUGEINT", "INT", "INT1", "INT2", "INT4", "INT8", "SHORT", "LONG", "INT64", "INT32", "INT16"}  # fmt: skip
_BINARY = {"FLOAT", "FLOAT4", "REAL", "DOUBLE", "FLOAT8"}
_TIMESTAMP = {"TIMESTAMP", "DATETIME", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_ZONED = {"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"}
DATED = {"DATE", *_TIMESTAMP, *_ZONED}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)(?:\s*\(\s*\d+\s*(?:,\s*(?P<scale>\d+)\s*)?\))?")
_DEFAULT_SCALE = 3
_TEXTS = {"VARCHAR", "CHAR", "BPCHAR", "TEXT", "STRING", "BLOB", "JSON"}
_WHOLE_DOUBLES = "1e15"
"""Below it a whole double is written in digits, as whole numbers are."""
_SCIENTIFIC = r"\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)[eE][+-]?[0-9]+\s*"


def cast_sql(text: str, kind: str, *, zone: str = "UTC") -> str:
    """Return the SQL expression of a text as a type, null where it cannot be one.

    A timestamp without a zone is in UTC: a text that names another offset is moved there (DuckDB drops the offset),
    and so is one that names none and is of another `zone`.
    """
    if kind.upper() == SALESFORCE_ID:
        return salesforce_id_sql(text)
    plain = f"TRY_CAST({text} AS {kind})"
    is_bare = kind.upper() in _TIMESTAMP
    if not is_bare and (kind.upper() not in _ZONED or zone == "UTC"):
        return plain
    local = plain if zone == "UTC" else f"timezone({literal(zone)}, TRY_CAST({text} AS TIMESTAMP))"
    named = f"TRY_CAST({text} AS TIMESTAMPTZ)"
    if is_bare:
        named, local = (in_utc_sql(named, kind), local if zone == "UTC" else in_utc_sql(local, kind))
    return f"CASE WHEN {names_zone_sql(text, with_words=zone != 'UTC')} THEN {named} ELSE {local} END"


def lost_sql(text: str, kind: str) -> str:
    """Return the SQL condition: the text exists and the type does not hold it exactly.

    Not exact: a fraction that the type rounds off, a year of two digits, a time of day or other text behind a date,
    infinity, a number written otherwise than in digits (0x1F, 1_000).
    """
    if kind.upper() == SALESFORCE_ID:
        return f"{text} IS NOT NULL AND {salesforce_id_sql(text)} IS NULL"
    cast = f"TRY_CAST({text} AS {kind})"
    inexact = _inexact(text, cast, kind.upper())
    if inexact is None:
        return f"{text} IS NOT NULL AND {cast} IS NULL"
    # Most texts are written as the type writes them: only the others are looked at closely.
    return f"""
        CASE WHEN {text} IS NULL THEN false WHEN {cast} IS NULL THEN true
        WHEN CAST({cast} AS VARCHAR) = {text} AND {_ordinary(cast, kind.upper())} THEN false ELSE {inexact} END
    """


def canonical_sql(text: str, kind: str) -> str:
    """Return the SQL text of the value that a text has as the type: one per value; null where it is not one.

    Numbers are written alike by all types of numbers, so that 7, 7.0 and 7.00 stay one when a type is corrected.
    """
    named = kind.upper()
    cast = cast_sql(text, kind)
    if named == SALESFORCE_ID:
        return cast
    written = f"CAST({cast} AS VARCHAR)"
    if named in _BINARY:
        is_whole = f"{cast} = floor({cast}) AND abs({cast}) < {_WHOLE_DOUBLES}"
        written = f"CASE WHEN {is_whole} THEN CAST(CAST({cast} AS BIGINT) AS VARCHAR) ELSE {written} END"
    elif _DECIMAL.fullmatch(named):
        written = f"CASE WHEN contains({written}, '.') THEN rtrim(rtrim({written}, '0'), '.') ELSE {written} END"
    return f"CASE WHEN trim({text}) <> '' AND NOT ({lost_sql(text, kind)}) THEN {written} END"


def is_text(kind: str) -> bool:
    """Return whether values of the type are texts, which stay as they are byte for byte."""
    return kind.upper().split("(")[0].strip() in _TEXTS


def is_whole_number(kind: str) -> bool:
    """Return whether values of the type are whole numbers, whose text is canonical."""
    return kind.upper() in _WHOLE


def is_number(kind: str) -> bool:
    """Return whether values of the type are numbers."""
    named = kind.upper()
    return named in _WHOLE or named in _BINARY or _DECIMAL.fullmatch(named) is not None


def _ordinary(cast: str, kind: str) -> str:
    """Return the SQL condition that a value which is written as its text is exact."""
    return f"isfinite({cast})" if kind in _BINARY or kind in DATED else "true"


def _inexact(text: str, cast: str, kind: str) -> str | None:
    """Return the SQL condition that a text which could be cast lost something by it; None: no cast of the type does."""
    scientific = f"regexp_full_match({text}, '{_SCIENTIFIC}')"
    rounded = f"CAST({cast} AS DOUBLE) <> TRY_CAST({text} AS DOUBLE)"
    if kind in _WHOLE:
        plain = f"regexp_full_match({text}, '\\s*[+-]?[0-9]+([.]0*)?\\s*')"
        return f"NOT {plain} AND (NOT {scientific} OR {rounded})"
    if found := _DECIMAL.fullmatch(kind):
        scale = int(found["scale"] or (0 if "(" in kind else _DEFAULT_SCALE))
        plain = f"regexp_full_match({text}, '\\s*[+-]?[0-9]*([.][0-9]{{0,{scale}}}0*)?\\s*')"
        return f"NOT {plain} AND (NOT {scientific} OR {rounded})"
    if kind in _BINARY:
        plain = f"regexp_full_match({text}, '\\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)\\s*')"
        whole = f"TRY_CAST(CASE WHEN NOT contains({text}, '.') THEN {text} END AS HUGEINT)"
        return f"""
            NOT isfinite({cast}) OR NOT ({plain} OR {scientific})
            OR ({cast} = 0 AND regexp_matches({text}, '^[^eE]*[1-9]'))
            OR CASE WHEN {plain} THEN coalesce({whole} <> TRY_CAST({cast} AS HUGEINT), false) ELSE false END
        """
    if kind in DATED:
        dated = f"regexp_matches({text}, '^\\s*[0-9]{{4}}[-/ ]')"
        timed = f"OR TRY_CAST({text} AS TIMESTAMP) IS DISTINCT FROM {cast}" if kind == "DATE" else ""
        return f"NOT isfinite({cast}) OR NOT {dated} {timed}"
    return None
