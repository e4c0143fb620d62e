"""Cast payload text to typed columns; text that a type does not hold exactly is flagged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from dataflow.settings.csv import CsvSettings
from dataflow.sources.exact import DATED, cast_sql, is_number, lost_sql
from dataflow.sources.written import iso_date_sql, plain_number_sql
from dataflow.validate.incoming import INCOMING
from dataflow.vocabulary.placeholders import ZERO_DATES, ZERO_TIMESTAMPS
from lakehouse.table import literal, quote

TYPED = "typed"
"""Temporary table: `_row_id`, `_record_key`, `_is_deleted`, the declared fields; `_uncastable` and `_zero_dates`:
positions of fields whose text is not of the type, or is a zero date; the latter null where there is none."""

# All zero dates are before it, as texts: nearly every date is compared once.
_AFTER_ZERO = "1971"


def typed_sql(fields: Mapping[str, str], *, zone: str = "UTC", csv: CsvSettings | None = None) -> str:
    """Build the statement that fills TYPED from INCOMING. An empty text is a missing value, and so is a zero date.

    A time that names no zone is of `zone`; `csv` says how numbers, dates and missing values are written.
    """
    given = _given_by(csv or CsvSettings())
    shape = literal(json.dumps(dict.fromkeys(fields, "VARCHAR")))
    # In steps, so that each text is taken out, trimmed and cast once.
    texts = "".join(f", {given(f'text.{quote(name)}', kind)} AS {quote(name)}" for name, kind in fields.items())
    dated = {name: number for number, (name, kind) in enumerate(fields.items()) if kind.upper() in DATED}
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


def _given_by(csv: CsvSettings) -> Callable[[str, str], str]:
    """Return the function that gives the SQL of a value of a type, null where it is missing."""
    words = f" AND {{0}} NOT IN ({', '.join(map(literal, csv.null_words))})" if csv.null_words else ""

    def given(value: str, kind: str) -> str:
        text = value
        if csv.decimal and is_number(kind):
            text = plain_number_sql(value, csv.decimal)
        elif csv.date_order and kind.upper() in DATED:
            text = iso_date_sql(value, csv.date_order)
        return f"CASE WHEN trim({value}) <> ''{words.format(value)} THEN {text} END"

    return given
