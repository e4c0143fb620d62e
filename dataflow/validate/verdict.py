"""Find every rule that each incoming row breaks, in one table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count

import duckdb
import pyarrow as pa

from checks.json_schema import PayloadSchema
from checks.rule import Surroundings
from checks.runner import find_breaches
from dataflow.sources.deletion import ambiguous_sql
from dataflow.sources.exact import is_text
from dataflow.sources.record_key import misfit_sql, raw_key_sql, record_key_sql
from dataflow.sources.rows import key_fields
from dataflow.validate.cast import TYPED, typed_sql
from dataflow.validate.incoming import INCOMING
from dataflow.validate.lenient import begin_nulled, forgive, lenient_checks, lenient_types
from dataflow.validate.marks import judge_marks
from dataflow.validate.plan import ACCEPTABLE, ObjectPlan
from dataflow.workspace.workspace import Workspace
from lakehouse.table import literal, quote

BREACH = "breach"
"""Temporary table (row_id, phase, ordinal, stage, rule, reason); phase and ordinal order the rules of a row.

In the phase CHECK the ordinal is the place of the check in the object's plan.
"""

LABEL = "label"
"""Temporary table (row_id, ordinal, rule, reason): rows that break a check which does not set them aside."""

OUTSIDE = "outside"
"""Temporary table (row_id, number, value): rows that a judgement of the plan sets aside; value where it is listed."""

_READ, _TYPE, _SCHEMA, CHECK, _MODEL = range(5)
_BATCH_ROWS = 20_000


def judge_incoming(
    ws: Workspace, plan: ObjectPlan, *, currencies: frozenset[str], absent: Collection[str] = ()
) -> None:
    """Fill TYPED, BREACH and OUTSIDE from INCOMING. A deleted record is checked for its key and version only.

    Checks do not run on a row whose text does not fit the types: they would report unreadable fields as missing. What
    the conformed model does not accept is judged last, of rows that are good so far: a declared check names its rule.
    A missing value of a field in `absent` is accepted there, since its former value is kept.
    """
    con = ws.con
    con.execute(typed_sql(plan.settings.fields, zone=plan.settings.zone, csv=plan.settings.csv))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {BREACH} (
            row_id BIGINT, phase INTEGER, ordinal INTEGER, stage VARCHAR, rule VARCHAR, reason VARCHAR
        )
    """)
    begin_nulled(con, plan)
    con.execute(f"INSERT INTO {BREACH} {_unreadable_sql(plan.settings.cursor)}")
    con.execute(f"INSERT INTO {BREACH} {_uncastable_sql(plan)}")
    judge_marks(con, plan, breach=BREACH, phase=_TYPE)
    forgive(con, lenient_types(plan), breach=BREACH, phase=_TYPE)
    if misfits := _misfit_keys_sql(plan):
        con.execute(f"INSERT INTO {BREACH} {misfits}")
    if plan.schema is not None:
        _judge_by_schema(ws, plan, plan.schema)
    dated = any(check.options.since for check in plan.checks)
    version = f" JOIN (SELECT _row_id, _changed_at FROM {INCOMING}) USING (_row_id)" if dated else ""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE checkable AS SELECT * FROM {TYPED}{version}
        WHERE NOT _is_deleted AND _row_id NOT IN (SELECT row_id FROM {BREACH} WHERE phase <= {_TYPE})
    """)
    around = surroundings(ws, plan, currencies=currencies)
    found = find_breaches(con, "checkable", checks=plan.checks, row_id="_row_id", surroundings=around)
    _label(con, plan, found)
    forgive(con, lenient_checks(plan), breach=BREACH, phase=CHECK, relations=(TYPED, "checkable"))
    _judge_by_model(con, plan, absent)
    con.execute("DROP TABLE checkable")


def _label(con: duckdb.DuckDBPyConnection, plan: ObjectPlan, found: str) -> None:
    """Fill BREACH and LABEL from one evaluation of all checks: both read the same labels."""
    others = [str(number) for number, check in enumerate(plan.checks) if not check.sets_aside]
    numbers = ", ".join(others) or "NULL"
    if others:
        con.execute(f"CREATE OR REPLACE TEMP TABLE every_label AS {found}")
        found = "FROM every_label"
    aside = f"FROM ({found}) WHERE ordinal NOT IN ({numbers})" if others else f"FROM ({found})"
    con.execute(f"INSERT INTO {BREACH} SELECT row_id, {CHECK}, ordinal, 'validate', rule, reason {aside}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE {LABEL} (row_id BIGINT, ordinal INTEGER, rule VARCHAR, reason VARCHAR)")
    if others:
        con.execute(f"INSERT INTO {LABEL} BY NAME FROM every_label WHERE ordinal IN ({numbers})")
        con.execute("DROP TABLE every_label")


def _judge_by_model(con: duckdb.DuckDBPyConnection, plan: ObjectPlan, absent: Collection[str]) -> None:
    """Set aside what the conformed model does not accept, of the rows that no rule of their object sets aside."""
    found = "SELECT 0::BIGINT AS row_id, 0 AS number, NULL::VARCHAR AS value WHERE false"
    if plan.judgements:
        con.execute(f"""
            CREATE OR REPLACE TEMP VIEW {ACCEPTABLE} AS
            FROM checkable WHERE _row_id NOT IN (SELECT row_id FROM {BREACH})
        """)
        found = " UNION ALL ".join(
            f"SELECT row_id, {number} AS number, value FROM ({one.sql})"
            + (" WHERE value IS NOT NULL" if one.accepted.lists_values and one.fields & set(absent) else "")
            for number, one in enumerate(plan.judgements)
        )
    con.execute(f"CREATE OR REPLACE TEMP TABLE {OUTSIDE} AS {found}")
    if plan.judgements:
        texts = ", ".join(
            f"({number}, {literal(one.rule)}, {literal(one.reason)})" for number, one in enumerate(plan.judgements)
        )
        con.execute(f"""
            INSERT INTO {BREACH} SELECT row_id, {_MODEL}, number, 'validate', rule, reason
            FROM {OUTSIDE} JOIN (VALUES {texts}) AS texts (number, rule, reason) USING (number)
        """)
        con.execute(f"DROP VIEW {ACCEPTABLE}")


def surroundings(ws: Workspace, plan: ObjectPlan, *, currencies: frozenset[str]) -> Surroundings:
    """Return what the rules of this object can read besides the row: the run's clock, other records, rates.

    A reference holds when the record is valid, or was until the source deleted it: an order outlives its customer.
    Where records refer to records of the same object, those of the same delivery count, valid or not.
    """

    def keys_of(name: str) -> str:
        flat = name.replace(".", "_", 1)
        known = [
            f"SELECT _record_key FROM {ws.tables['valid.' + flat].sql_name}",
            f"SELECT {raw_key_sql('t', plan.keys[name])} AS _record_key FROM {ws.before(ws.tables['raw.' + flat])} t"
            " WHERE _is_deleted AND _defect IS NULL",
        ]
        if name == plan.full_name:
            known.append(f"SELECT _record_key FROM {TYPED}")
        return " UNION ALL ".join(known)

    def holders_of(field: str) -> str:
        value = f"CAST({quote(field)} AS VARCHAR)"
        return f"""
            SELECT {value} AS value, _record_key AS record_key FROM {plan.valid.sql_name}
            WHERE _record_key NOT IN (SELECT _record_key FROM checkable)
            UNION ALL SELECT {value}, min(_record_key) FROM checkable GROUP BY 1
        """

    return Surroundings(
        now=ws.run.now,
        keys_of=keys_of,
        holders_of=holders_of,
        as_key_of=lambda name, value: record_key_sql(value, plan.keys[name]),
        currencies=currencies,
    )


def _unreadable_sql(cursor: str) -> str:
    versionless = literal(f"{cursor} is missing or is not a timestamp: the row has no version")
    return f"""
        SELECT _row_id, {_READ}, 0, 'land', 'unreadable', _defect FROM {INCOMING} WHERE _defect IS NOT NULL
        UNION ALL
        SELECT _row_id, {_READ}, 1, 'land', 'unreadable', 'the row is not JSON' FROM {INCOMING}
        WHERE _defect IS NULL AND NOT json_valid(payload)
        UNION ALL
        SELECT _row_id, {_READ}, 2, 'validate', 'required', {versionless}
        FROM {INCOMING} WHERE _defect IS NULL AND json_valid(payload) AND _changed_at IS NULL
    """


def _uncastable_sql(plan: ObjectPlan) -> str:
    reasons = [f"{name} is not {_article(kind)} {kind}" for name, kind in plan.settings.fields.items()]
    texts = ", ".join(literal(reason) for reason in reasons)
    unclear = f"{plan.settings.deleted_when_set} is set and does not say when the record was deleted"
    return f"""
        SELECT _row_id, {_TYPE}, number, 'validate', 'type', ([{texts}])[number + 1]
        FROM (SELECT _row_id, unnest(_uncastable) AS number FROM {TYPED} WHERE NOT _is_deleted AND len(_uncastable) > 0)
        UNION ALL
        SELECT _row_id, {_TYPE}, {len(reasons)}, 'validate', 'type', {literal(unclear)}
        FROM {TYPED} WHERE NOT _is_deleted AND len(_uncastable) = 0 AND {ambiguous_sql(plan.settings)}
    """


def _misfit_keys_sql(plan: ObjectPlan) -> str:
    """Return the SELECT of the breaches of rows, deletions too, whose key is not of its type; empty: it is text."""
    declared = plan.settings.fields
    places = {name: number for number, name in enumerate(declared)}
    conditions = misfit_sql("_record_key", plan.key_kinds)
    return " UNION ALL ".join(
        f"SELECT _row_id, {_TYPE}, {places[name]}, 'validate', 'type', "
        f"{literal(f'{name} is not {_article(kind)} {kind}')} FROM {INCOMING}"
        f" WHERE _defect IS NULL AND _record_key <> _row_hash AND {misfit}"
        for name, kind, misfit in zip(key_fields(plan.settings), plan.key_kinds, conditions, strict=True)
        if declared.get(name) == kind and not is_text(kind)
    )


def _article(kind: str) -> str:
    return "an" if kind[:1] in "AEIOU" else "a"


def _judge_by_schema(ws: Workspace, plan: ObjectPlan, schema: PayloadSchema) -> None:
    rows = ws.con.execute(
        f"SELECT _row_id, payload FROM {INCOMING} WHERE _defect IS NULL AND NOT _is_deleted AND json_valid(payload)"
    ).to_arrow_reader(_BATCH_ROWS)
    found = list(_schema_breaches(schema, rows))
    if found:
        names = ("row_id", "ordinal", "rule", "reason", "field")
        table = pa.table({name: pa.array(values) for name, values in zip(names, zip(*found, strict=True), strict=True)})
        ws.con.register("schema_breaches", table)
        ws.con.execute(
            f"INSERT INTO {BREACH} SELECT row_id, {_SCHEMA}, ordinal, 'validate', rule, reason FROM schema_breaches"
        )
        ws.con.unregister("schema_breaches")
        places = {ordinal: field for _, ordinal, _, _, field in found if field in plan.lenient_fields}
        forgive(ws.con, places, breach=BREACH, phase=_SCHEMA)


def _schema_breaches(schema: PayloadSchema, rows: pa.RecordBatchReader) -> Iterator[tuple[int, int, str, str, str]]:
    ordinal = count()
    for batch in rows:
        numbers, payloads = batch.column(0).to_pylist(), batch.column(1).to_pylist()
        for breach in schema.breaches(payloads):
            yield numbers[breach.row], next(ordinal), breach.rule, breach.reason, breach.field
