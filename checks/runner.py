"""Run checks over a relation: which rows break which rules."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from checks.rule import REFUSED_VALUES, Check, Surroundings
from lakehouse.table import literal, quote


def find_breaches(
    con: duckdb.DuckDBPyConnection, relation: str, *, checks: Sequence[Check], row_id: str, surroundings: Surroundings
) -> str:
    """Return the SELECT of breaches: one row per row and check that it breaks.

    Shape: `row_id`, `ordinal` (position of the check), `rule`, `reason`. Valid until the next call on the same
    connection: it reads a temporary table of the refused values.
    """
    if not checks:
        return f"SELECT {quote(row_id)} AS row_id, 0 AS ordinal, '' AS rule, '' AS reason FROM {relation} WHERE false"
    _collect_refused(con, relation, checks)
    flags = ", ".join(
        f"CASE WHEN {check.broken(surroundings)} THEN {number} END" for number, check in enumerate(checks)
    )
    texts = ", ".join(
        f"({number}, {literal(check.name)}, {literal(check.reason)})" for number, check in enumerate(checks)
    )
    return f"""
        WITH flagged AS (SELECT {quote(row_id)} AS row_id, [{flags}] AS numbers FROM {relation}),
        broken AS (SELECT row_id, unnest(list_filter(numbers, lambda n: n IS NOT NULL)) AS ordinal FROM flagged),
        texts (ordinal, rule, reason) AS (VALUES {texts})
        SELECT row_id, ordinal, rule, reason FROM broken JOIN texts USING (ordinal)
    """


def _collect_refused(con: duckdb.DuckDBPyConnection, relation: str, checks: Sequence[Check]) -> None:
    con.execute(f"CREATE OR REPLACE TEMP TABLE {REFUSED_VALUES} (rule VARCHAR, value VARCHAR)")
    fields: dict[str, set[str]] = {}
    judges = {check.rule.name: check.rule.judge for check in checks if check.rule.judge is not None}
    for check in checks:
        if check.rule.name in judges:
            fields.setdefault(check.rule.name, set()).update(check.arguments.named_fields())
    for rule, judge in judges.items():
        values = " UNION ".join(
            f"SELECT CAST({quote(name)} AS VARCHAR) AS value FROM {relation} WHERE {quote(name)} IS NOT NULL"
            for name in sorted(fields[rule])
        )
        refused = [
            value
            for batch in con.execute(f"SELECT DISTINCT value FROM ({values})").to_arrow_reader(100_000)
            for value in batch.column(0).to_pylist()
            if not judge(value)
        ]
        if refused:
            found = pa.table({"rule": pa.array([rule] * len(refused)), "value": pa.array(refused)})
            con.register("refused_now", found)
            con.execute(f"INSERT INTO {REFUSED_VALUES} SELECT * FROM refused_now")
            con.unregister("refused_now")
