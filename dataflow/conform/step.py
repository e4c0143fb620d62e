"""Run the conform stage: valid rows become customer records, orders, items and tickets of the conformed model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from dataflow.conform.compiled import CompiledMapping
from dataflow.conform.customer_record import UNREADABLE, Dropped, drop_lookups, normalise_records, normalised
from dataflow.conform.keys import create_key_forms
from dataflow.conform.mapping import key_forms, name_mappings
from dataflow.conform.records import mapped_records
from dataflow.conform.scope import mark_scope
from dataflow.conform.settle import MAPPING, Settled, settle_values
from dataflow.conform.transactions import normalise_items, normalise_orders, normalise_tickets
from dataflow.conform.unseen import drop_unseen_sql
from dataflow.settings import Settings
from dataflow.sources.record_key import is_plain
from dataflow.tables.conformed import CUSTOMER_ORDER, CUSTOMER_RECORD, ORDER_ITEM, TABLES
from dataflow.vocabulary import VOCABULARY_VERSION
from dataflow.workspace.compiled import compiled_once
from dataflow.workspace.fingerprints import hash_settings, known_fingerprints, stage_fingerprints
from dataflow.workspace.relations import relation, shaped, sql_of
from dataflow.workspace.report import NOTES_FACT, StepReport, measured, notes_fact, resident_bytes
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred
from lakehouse.query import fetch_int
from lakehouse.table import Table, literal, quote

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")

CONFORM_VERSION = f"4.{VOCABULARY_VERSION}"
"""Raise this number with any change of how a value is conformed; every conformed table is then recomputed."""

Compile = Callable[[str, "Callable[[], ir.Table]"], str]
"""Compiles the expression of a name."""

DRAFT = "draft"
"""Temporary table: the rows of one conformed table as mapped, not yet normalised."""


def conform(ws: Workspace, settings: Settings) -> list[StepReport]:
    """Update `conformed.*` from the valid rows that this run changed; recompute a table whose mapping changed.

    Shape: one report per conformed table; rows in are the valid rows of the computed records, merged those that were
    folded into a group's record.
    Raises: MappingError.
    """
    # Their expressions were checked before the run; here those are compiled whose records are computed.
    mappings = name_mappings(settings, ws.tables)
    create_key_forms(ws.con, key_forms(mappings))
    known = known_fingerprints(ws)
    fingerprints = {table.full_name: fingerprint_of(table, mappings, settings=settings) for table in TABLES}
    waiting = {one.target.full_name for one in mappings.values() if is_waiting(ws, one)}
    reports = ws.side_by_side(
        [
            partial(
                _conform_table,
                settings=settings,
                table=table,
                mappings=mappings,
                fingerprint=fingerprints[table.full_name],
                is_whole=table.full_name not in waiting and known.get(table.full_name) != fingerprints[table.full_name],
            )
            for table in TABLES
        ]
    )
    done = [one.subject for one in reports if (one.rows_in or one.changed) and one.subject not in waiting]
    stage_fingerprints(ws, {name: fingerprints[name] for name in done})
    return reports


def is_waiting(ws: Workspace, mapping: CompiledMapping) -> bool:
    """Return whether an object of the mapping is held back with fields of former types: its records stay as is."""
    return any(ws.is_outdated(table) for table in (mapping.source, *(join.table for join in mapping.joins)))


def fingerprint_of(table: Table, mappings: Mapping[str, CompiledMapping], *, settings: Settings) -> str:
    """Return the fingerprint of all settings that decide the rows of a conformed table."""
    return hash_settings(
        version=CONFORM_VERSION,
        mappings={name: _settings_of(one) for name, one in mappings.items()},
        fields={
            source.full_name: [(c.name, c.type) for c in source.columns]
            for one in mappings.values()
            for source in (one.source, *(join.table for join in one.joins))
        },
        **_key_forms(mappings),
        currency=settings.currency.model_dump() if table == CUSTOMER_ORDER else None,
    )


def _settings_of(mapping: CompiledMapping) -> dict[str, Any]:
    """Return the settings of a mapping; what mappings did not always have is left out where it is not declared."""
    plain = mapping.settings.model_dump()
    for join in plain["joins"].values():
        if not join["sums"]:
            del join["sums"]
    if not plain["addresses"]:
        del plain["addresses"]
    return plain


def _key_forms(mappings: Mapping[str, CompiledMapping]) -> dict[str, object]:
    """Return the forms of keys other than that in which they are received; nothing where there are none."""
    found = {name: one.key_kinds for name, one in mappings.items() if not is_plain(one.key_kinds)}
    return {"keys": found} if found else {}


def _conform_table(
    ws: Workspace,
    *,
    settings: Settings,
    table: Table,
    mappings: Mapping[str, CompiledMapping],
    fingerprint: str,
    is_whole: bool,
) -> StepReport:
    with measured() as watch:
        scopes = {
            name: mark_scope(ws, one, is_whole=is_whole)
            for name, one in mappings.items()
            if one.target == table and not is_waiting(ws, one)
        }
        chosen = {
            name: mappings[name]
            for name, scope in scopes.items()
            if fetch_int(ws.con, f"SELECT count(*) FROM {quote(scope)}")
        }
        if not chosen and not (is_whole and fetch_int(ws.con, f"SELECT count(*) FROM {table.sql_name}")):
            return StepReport(stage="conform", subject=table.full_name, rows_in=0, rows_out=0, seconds=watch.seconds)
        compile_sql = partial(_compile, table, fingerprint)
        ids = " UNION ALL ".join(_record_ids(one, scopes[name], compile_sql) for name, one in chosen.items())
        rows_in, merged = _count_sources(ws, chosen, scopes, compile_sql)
        _write_draft(ws, table, chosen, scopes, compile_sql)
        settled = settle_values(ws.con, DRAFT, chosen, settings=settings)
        rows, facts = _normalise(ws, settings, table, compile_sql)
        staged = ws.stage(table, rows, scope=None if is_whole else ids)
        report = StepReport(
            stage="conform",
            subject=table.full_name,
            rows_in=rows_in,
            rows_out=fetch_int(ws.con, f"SELECT count(*) FROM {DRAFT}"),
            set_aside=settled.left_out,
            merged=merged,
            inserted=staged.inserted,
            updated=staged.updated,
            deleted=staged.deleted,
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts=_with_settled(facts, settled),
        )
        ws.con.execute(f"DROP TABLE {DRAFT}")
        if table == CUSTOMER_RECORD:
            drop_lookups(ws.con)
        return report


def _compile(table: Table, fingerprint: str, name: str, make: Callable[[], ir.Table]) -> str:
    """Compile an expression that the settings of a table's fingerprint decide."""
    return compiled_once(f"{table.full_name} {fingerprint} {name}", lambda: sql_of(make()))


def _record_ids(mapping: CompiledMapping, scope: str, compile_sql: Compile) -> str:
    """Return the SELECT of the ids of all records in scope, deleted ones included."""

    def ids() -> ir.Table:
        keys = mapping.keys(scope)
        return keys.select(**{mapping.target.key[0]: mapping.id_of(keys)})

    return f"SELECT * FROM ({compile_sql(f'ids {mapping.name}', ids)})"


def _count_sources(
    ws: Workspace, chosen: Mapping[str, CompiledMapping], scopes: Mapping[str, str], compile_sql: Compile
) -> tuple[int, int]:
    """Count the valid rows of the records in scope, and how many of them are merged into a group's record."""

    def counts(mapping: CompiledMapping, scope: str) -> ir.Table:
        rows = mapping.source_rows(mapping.keys(scope))
        records = mapping.key_of(rows).nunique() if mapping.is_grouped else rows.count()
        return rows.aggregate(n=rows.count(), records=records)

    rows_in = merged = 0
    for name, mapping in chosen.items():
        sql = compile_sql(f"count {name}", partial(counts, mapping, scopes[name]))
        ((count, records),) = ws.con.execute(sql).fetchall()
        rows_in += count
        merged += count - records
    return rows_in, merged


def _write_draft(
    ws: Workspace,
    table: Table,
    chosen: Mapping[str, CompiledMapping],
    scopes: Mapping[str, str],
    compile_sql: Compile,
) -> None:
    columns = ", ".join(f"{quote(c.name)} {c.type}" for c in table.columns if c.name != "_run_id")
    mapped = {name for one in chosen.values() for name in one.settings.fields}
    ws.con.execute(f"CREATE OR REPLACE TEMP TABLE {DRAFT} ({columns}, {MAPPING} VARCHAR)")
    for name, mapping in chosen.items():
        records = compile_sql(f"records {name}", partial(_records_of, mapping, scopes[name]))
        ws.con.execute(f"INSERT INTO {DRAFT} BY NAME SELECT *, {literal(name)} AS {MAPPING} FROM ({records})")
    # Ids are of a source's keys, which stay as they are.
    texts = [c.name for c in table.columns if c.type == "VARCHAR" and c.name in mapped and not c.name.endswith("_id")]
    if texts:
        ws.con.execute(drop_unseen_sql(DRAFT, texts))


def _records_of(mapping: CompiledMapping, scope: str) -> ir.Table:
    return mapped_records(mapping, mapping.keys(scope))


def _draft(table: Table) -> ir.Table:
    schema = {name: kind for name, kind in relation(table).schema().items() if name != "_run_id"}
    return ibis.table(schema, name=DRAFT)


def _normalise(ws: Workspace, settings: Settings, table: Table, compile_sql: Compile) -> tuple[str, dict[str, Any]]:
    """Return the SELECT of the table's normalised rows and the facts on them."""

    def rows_by(normalise: Callable[[ir.Table], ir.Table]) -> str:
        return compile_sql("rows", lambda: shaped(table, normalise(_draft(table))))

    if table == CUSTOMER_RECORD:
        dropped = normalise_records(ws.con, _draft(table))
        return rows_by(normalised), {"values_dropped": dropped} | notes_fact(_dropped_notes(dropped))
    if table == CUSTOMER_ORDER:
        rows = rows_by(partial(normalise_orders, currency=settings.currency))
        unpriced = "amount IS NOT NULL AND base_amount IS NULL"
        count = fetch_int(ws.con, f"SELECT count(*) FROM ({rows}) WHERE {unpriced}")
        notes = [f"{count:,} orders have no amount in the base currency: their currency has no rate"] if count else []
        return rows, {"without_exchange_rate": count} | notes_fact(notes)
    return rows_by(normalise_items if table == ORDER_ITEM else normalise_tickets), {}


def _dropped_notes(dropped: Dropped) -> list[str]:
    """Return a note for each column of which values could not be read; placeholders are in the facts alone."""
    unreadable = {column: reasons.get(UNREADABLE, 0) for column, reasons in dropped.items()}
    return [
        f"{column} of {count:,} records cannot be read and is null in conformed.customer_record"
        for column, count in unreadable.items()
        if count
    ]


def _with_settled(facts: dict[str, Any], settled: Settled) -> dict[str, Any]:
    """Add what was settled to the facts and notes of the table."""
    notes = [*facts.get(NOTES_FACT, []), *settled.notes]
    return facts | ({"values_outside": settled.counts} if settled.counts else {}) | notes_fact(notes)
