"""Invalid values that cost their field and not their row: null in valid, counted, as received in raw.

A field is lenient where its object declares `invalid = { field = "null" }`: its text that is not of its type, or its
value that breaks a rule of one value, is made null before the row is judged further.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import duckdb

from checks.rule import Check, OneField
from dataflow.validate.cast import TYPED
from dataflow.validate.plan import ObjectPlan
from lakehouse.table import literal, quote

NULLED = "nulled"
"""Temporary table (row_id, field, rule): the values that were made null."""

_OF_ONE_VALUE = frozenset(
    {"at_least", "at_most", "one_of", "matches", "not_in_future", "not_before", "email", "ip_address", "currency"}
)
"""Rules that say of a value by itself that it is wrong; a missing value, record or rate is another matter."""


def begin_nulled(con: duckdb.DuckDBPyConnection, plan: ObjectPlan) -> None:
    """Create NULLED, with the values of TYPED that are not of their type; these are null and castable from now on."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE {NULLED} (row_id BIGINT, field VARCHAR, rule VARCHAR)")
    places = {name: place for place, name in enumerate(plan.settings.fields) if name in plan.lenient_fields}
    for name, place in places.items():
        con.execute(f"""
            INSERT INTO {NULLED} SELECT _row_id, {literal(name)}, 'type' FROM {TYPED}
            WHERE NOT _is_deleted AND list_contains(_uncastable, {place})
        """)
    if places:
        listed = ", ".join(map(str, places.values()))
        con.execute(f"""
            UPDATE {TYPED} SET _uncastable = list_filter(_uncastable, lambda n: n NOT IN ({listed}))
            WHERE NOT _is_deleted AND list_has_any(_uncastable, [{listed}])
        """)
        _make_null(con, places, TYPED)


def forgive(
    con: duckdb.DuckDBPyConnection,
    fields: Mapping[int, str],
    *,
    breach: str,
    phase: int,
    relations: Iterable[str] = (TYPED,),
) -> None:
    """Take the breaches of a phase out of `breach`, and make the values null.

    `fields` are the lenient ones, by the ordinal of a breach.
    """
    if not fields:
        return
    named = ", ".join(f"({ordinal}, {literal(name)})" for ordinal, name in fields.items())
    con.execute(f"""
        INSERT INTO {NULLED} SELECT DISTINCT row_id, field, rule FROM {breach}
        JOIN (VALUES {named}) AS named (ordinal, field) USING (ordinal) WHERE phase = {phase}
    """)
    con.execute(f"DELETE FROM {breach} WHERE phase = {phase} AND ordinal IN ({', '.join(map(str, fields))})")
    for relation in relations:
        _make_null(con, fields.values(), relation)


def lenient_types(plan: ObjectPlan) -> dict[int, str]:
    """Return the lenient fields by their place among the fields of the object."""
    return {place: name for place, name in enumerate(plan.settings.fields) if name in plan.lenient_fields}


def lenient_checks(plan: ObjectPlan) -> dict[int, str]:
    """Return the lenient fields by the place of each check that judges nothing but their value."""
    return {place: name for place, check in enumerate(plan.checks) if (name := _judged(check)) in plan.lenient_fields}


def _judged(check: Check) -> str:
    """Return the field whose value alone a check judges to set its row aside; empty: it judges something else."""
    is_of_value = check.rule.name in _OF_ONE_VALUE and check.sets_aside and check.options.when_null == "pass"
    return check.arguments.field if is_of_value and isinstance(check.arguments, OneField) else ""


def _make_null(con: duckdb.DuckDBPyConnection, fields: Iterable[str], relation: str) -> None:
    for name in dict.fromkeys(fields):
        con.execute(f"""
            UPDATE {relation} SET {quote(name)} = NULL
            WHERE {quote(name)} IS NOT NULL AND _row_id IN (SELECT row_id FROM {NULLED} WHERE field = {literal(name)})
        """)


def count_nulled(con: duckdb.DuckDBPyConnection, newest: str) -> dict[str, dict[str, int]]:
    """Count the values that were made null in the rows of `newest` (`_row_id`), by field and rule."""
    rows = con.execute(f"""
        SELECT field, rule, count(*) FROM {NULLED} WHERE row_id IN (SELECT _row_id FROM {newest})
        GROUP BY ALL ORDER BY field, count(*) DESC, rule
    """).fetchall()
    found: dict[str, dict[str, int]] = {}
    for name, rule, count in rows:
        found.setdefault(str(name), {})[str(rule)] = int(count)
    return found


def describe_nulled(counts: Mapping[str, Mapping[str, int]], plan: ObjectPlan) -> list[str]:
    """Return a note for each field and rule."""
    return [
        f"{name} of {count:,} rows of {plan.full_name} is invalid ({rule}) and null in valid"
        for name, rules in counts.items()
        for rule, count in rules.items()
    ]


def nulled_fact(counts: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Return the fact of a report; nothing where no value was made null."""
    return {"invalid_values": {name: dict(rules) for name, rules in counts.items()}} if counts else {}
