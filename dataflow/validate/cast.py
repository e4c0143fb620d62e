"""Cast payload text to typed columns; text that a type does not hold exactly is flagged."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from dataflow.sources.typed import in_utc_sql, names_zone_sql
from dataflow.validate.incoming import INCOMING
from dataflow.vocabulary.placeholders import ZERO_DATES, ZERO_TIMESTAMPS
from lakehouse.table import literal, quote

TYPED = "typed"
"""Temporary table: `_row_id`, `_record_key`, `_is_deleted`, the declared fields; `_uncastable` and `_zero_dates`:
positions of fields whose text is not of the type, or is a zero date; the latter null where there is none."""

_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
          "UHUGEINT", "INT", "INT1", "INT2", "INT4", "INT8", "SHORT", "LONG", "INT64", "INT32", "INT16"}  # fmt: skip
_BINARY = {"FLOAT", "FLOAT4", "REAL", "DOUBLE", "FLOAT8"}
_TIMESTAMP = {"TIMESTAMP", "DATETIME", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_ZONED = {"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"}
_DATED = {"DATE", *_TIMESTAMP, *_ZONED}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)(?:\s*\(\s*\d+\s*(?:,\s*(?P<scale>\d+)\s*)?\))?")
_DEFAULT_SCALE = 3
# All zero dates are before it, as texts: nearly every date is compared once.
_AFTER_ZERO = "1971"
_SCIENTIFIC = r"\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)[eE][+-]?[0-9]+\s*"


def typed_sql(fields: Mapping[str, str], *, zone: str = "UTC") -> str:
    """Build the statement that fills TYPED from INCOMING. An empty text is a missing value, and so is a zero date.

    A time that names no zone is of `zone`.
    """
    shape = literal(json.dumps(dict.fromkeys(fields, "VARCHAR")))
    # In steps, so that each text is taken out, trimmed and cast once.
    texts = "".join(f", {_given(f'text.{quote(name)}')} AS {quote(name)}" for name in fields)
    dated = {name: number for number, (name, kind) in enumerate(fields.items()) if kind.upper() in _DATED}
    zeros = {name: zero_date_sql(quote(name), fields[name]) for name in dated}
    nulled = ", ".join(
        f"CASE WHEN NOT ({zero}) THEN {quote(name)} END AS {quote(name)}" for name, zero in zeros.items()
    )
    found = ", ".join(f"CASE WHEN {zero} THEN {dated[name]} END" for name, zero in zeros.items())
    positions = f"list_filter([{found}]::INTEGER[], lambda n: n IS NOT NULL)"
    listed = f"CASE WHEN {' OR '.join(zeros.values())} THEN {positions} END" if zeros else "NULL::INTEGER[]"
    casts = "".join(f", {cast_sql(quote(name), kind, zone=zone)} AS {quote(name)}" for name, kind in fields.items())
    lost = [
        f"CASE WHEN {lost_sql(quote(name), kind)} THEN {number} END"
        for number, (name, kind) in enumerate(fields.items())
        if kind != "VARCHAR"
    ]
    return f"""
        CREATE OR REPLACE TEMP TABLE {TYPED} AS
        WITH read AS (
            SELECT _row_id, _record_key, _is_deleted, json_transform(payload, {shape}) AS text
            FROM {INCOMING} WHERE _defect IS NULL AND json_valid(payload)
        ),
        written AS (SELECT _row_id, _record_key, _is_deleted{texts} FROM read),
        texts AS (SELECT *{f" REPLACE ({nulled})" if nulled else ""}, {listed} AS _zero_dates FROM written)
        SELECT _row_id, _record_key, _is_deleted{casts},
            list_filter([{", ".join(lost)}]::INTEGER[], lambda n: n IS NOT NULL) AS _uncastable, _zero_dates
        FROM texts
    """


def zero_date_sql(text: str, kind: str) -> str:
    """Return the SQL condition: the text is a date or timestamp that software writes for none."""
    day = f"left(trim({text}), 10) IN ({', '.join(map(literal, ZERO_DATES))})"
    # The year 0 exists in no calendar of a source: it is the first zero date, moved to another time zone.
    zero = f"{day} OR starts_with(trim({text}), '0000-')"
    if kind.upper() != "DATE":
        second = f"left(replace(trim({text}), 'T', ' '), 19)"
        zero = f"{zero} OR {second} IN ({', '.join(map(literal, ZERO_TIMESTAMPS))})"
    return f"coalesce({text} < '{_AFTER_ZERO}' AND ({zero}), false)"


def cast_sql(text: str, kind: str, *, zone: str = "UTC") -> str:
    """Return the SQL expression of a text as a type, null where it cannot be one.

    A timestamp without a zone is in UTC: a text that names another offset is moved there (DuckDB drops the offset),
    and so is one that names none and is of another `zone`.
    """
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

    Not exact: a fraction that the type rounds off, a year of two digits, a time of day in a date, infinity, a number
    written otherwise than in digits (0x1F, 1_000).
    """
    cast = f"TRY_CAST({text} AS {kind})"
    inexact = _inexact(text, cast, kind.upper())
    if inexact is None:
        return f"{text} IS NOT NULL AND {cast} IS NULL"
    # Most texts are written as the type writes them: only the others are looked at closely.
    return f"""
        CASE WHEN {text} IS NULL THEN false WHEN {cast} IS NULL THEN true
        WHEN CAST({cast} AS VARCHAR) = {text} AND {_ordinary(cast, kind.upper())} THEN false ELSE {inexact} END
    """


def _given(value: str) -> str:
    return f"CASE WHEN trim({value}) <> '' THEN {value} END"


def _ordinary(cast: str, kind: str) -> str:
    """Return the SQL condition that a value which is written as its text is exact."""
    return f"isfinite({cast})" if kind in _BINARY or kind in _DATED else "true"


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
            OR CASE WHEN {plain} THEN coalesce({whole} <> TRY_CAST({cast} AS HUGEINT), false) ELSE false END
        """
    if kind in _DATED:
        dated = f"regexp_matches({text}, '^\\s*[0-9]{{4}}[-/ ]')"
        timed = f"OR TRY_CAST({text} AS TIMESTAMP) <> {cast}" if kind == "DATE" else ""
        return f"NOT isfinite({cast}) OR NOT {dated} {timed}"
    return None
