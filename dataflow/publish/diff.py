"""Compare two states of the lake: rows by table, identities, key figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import duckdb

from dataflow.publish.bridge_parts import DailyTotals, parts_between
from dataflow.publish.kpis import KPIS
from dataflow.tables import published
from dataflow.tables.ops import KPI_BRIDGE
from dataflow.tables.published import KPI_DAILY, REDIRECTS, XREF
from dataflow.workspace.staging import delta_names
from dataflow.workspace.workspace import Workspace
from lakehouse.table import Table, column_list, literal, quote


@dataclass(frozen=True)
class TableDiff:
    """Rows of one table by key; `changed` counts rows that differ in a column that is not volatile."""

    table: str
    added: int
    changed: int
    removed: int


@dataclass(frozen=True)
class IdentityDiff:
    """Counts of customers created, retired, merged into another and split off, and of records that moved."""

    created: int
    retired: int
    merged: int
    split: int
    records_moved: int


@dataclass(frozen=True)
class KpiDiff:
    """A key figure, summed or averaged over its days, before and after.

    `parts` is what rules, identity, erasure, corrections and activity changed of it, in this order; they sum to the
    change, and one that changed nothing is left out.
    """

    code: str
    unit: str
    days_changed: int
    before: float | None
    after: float | None
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Diff:
    """All differences from snapshot `a` to snapshot `b`; None stands for the uncommitted rows staged on `a`."""

    a: int
    b: int | None
    tables: tuple[TableDiff, ...]
    identities: IdentityDiff
    kpis: tuple[KpiDiff, ...]

    @property
    def is_empty(self) -> bool:
        return not any(t.added or t.changed or t.removed for t in self.tables)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


# Function from a table to its state, as a relation for a FROM clause.
_State = Callable[[Table], str]


def diff(reader: duckdb.DuckDBPyConnection, a: int, b: int) -> Diff:
    """Compare two snapshots of the lake attached to `reader` as `lake`."""
    old, new = partial(as_of_sql, version=a), partial(as_of_sql, version=b)
    found = _compare(reader, a, b, old=old, new=new)
    if not found.kpis:
        return found
    if a < b:
        return replace(
            found, kpis=_explained(reader, found.kpis, _recorded(reader, a, b), old(KPI_DAILY), new(KPI_DAILY))
        )
    # The way back undoes each part.
    forth = _explained(reader, found.kpis, _recorded(reader, b, a), new(KPI_DAILY), old(KPI_DAILY))
    back = [replace(kpi, parts={part: -change for part, change in kpi.parts.items()}) for kpi in forth]
    return replace(found, kpis=tuple(back))


def diff_staged(ws: Workspace) -> Diff:
    """Compare what is staged with its base snapshot."""
    found = _compare(ws.con, ws.base.id, None, old=ws.before, new=lambda table: table.sql_name)
    staged = KPI_BRIDGE.full_name in ws.staged
    bridge = f"FROM {delta_names(KPI_BRIDGE).delta}" if staged else ""
    ends = (ws.before(KPI_DAILY), KPI_DAILY.sql_name)
    return replace(found, kpis=_explained(ws.con, found.kpis, bridge, *ends))


def _compare(con: duckdb.DuckDBPyConnection, a: int, b: int | None, *, old: _State, new: _State) -> Diff:
    return Diff(
        a=a,
        b=b,
        tables=tuple(_table_diff(con, table, old(table), new(table)) for table in published.TABLES),
        identities=_identity_diff(con, old, new),
        kpis=tuple(_kpi_diff(con, old(KPI_DAILY), new(KPI_DAILY))),
    )


def _table_diff(con: duckdb.DuckDBPyConnection, table: Table, old: str, new: str) -> TableDiff:
    on = " AND ".join(f"n.{quote(key)} = o.{quote(key)}" for key in table.key)
    first = quote(table.key[0])
    # Without a compared column (a pure link table) rows are only added or removed.
    differs = " OR ".join(f"n.{quote(c)} IS DISTINCT FROM o.{quote(c)}" for c in table.compared) or "false"
    added, changed, removed = _row(
        con,
        f"""
        SELECT count(*) FILTER (WHERE o.{first} IS NULL),
            count(*) FILTER (WHERE n.{first} IS NOT NULL AND o.{first} IS NOT NULL AND ({differs})),
            count(*) FILTER (WHERE n.{first} IS NULL)
        FROM (FROM {new}) n FULL JOIN (FROM {old}) o ON {on}
        """,
    )
    return TableDiff(table.full_name, added, changed, removed)


def _identity_diff(con: duckdb.DuckDBPyConnection, old: _State, new: _State) -> IdentityDiff:
    """Count identity changes. A merge leaves a redirect to a current customer; a split sends records to a new one."""
    key = column_list(XREF.key)
    created, retired, split, moved = _row(
        con,
        f"""
        WITH old AS (SELECT record_id, customer_id FROM {old(XREF)}),
        new AS (SELECT record_id, customer_id FROM {new(XREF)}),
        moved AS (
            SELECT {key}, o.customer_id AS was, n.customer_id AS became FROM old o JOIN new n USING ({key})
            WHERE o.customer_id <> n.customer_id
        )
        SELECT
            (SELECT count(DISTINCT customer_id) FROM new ANTI JOIN old USING (customer_id)),
            (SELECT count(DISTINCT customer_id) FROM old ANTI JOIN new USING (customer_id)),
            (SELECT count(DISTINCT became) FROM moved
                WHERE became NOT IN (SELECT customer_id FROM old) AND was IN (SELECT customer_id FROM new)),
            (SELECT count(*) FROM moved)
        """,
    )
    (merged,) = _row(
        con,
        f"""
        SELECT count(*) FROM (FROM {new(REDIRECTS)}) n
        ANTI JOIN (FROM {old(REDIRECTS)}) o USING (customer_id) WHERE n.to_customer_id IS NOT NULL
        """,
    )
    return IdentityDiff(created=created, retired=retired, merged=merged, split=split, records_moved=moved)


def _kpi_diff(con: duckdb.DuckDBPyConnection, old: str, new: str) -> list[KpiDiff]:
    """Compare key figures: amounts and counts of events are summed over days, the others are averaged."""
    rows = con.execute(f"""
        SELECT kpi_code, any_value(coalesce(n.unit, o.unit)),
            count(*) FILTER (WHERE n.value IS DISTINCT FROM o.value),
            CASE WHEN {_ADDS_UP} THEN sum(o.value) ELSE avg(o.value) END,
            CASE WHEN {_ADDS_UP} THEN sum(n.value) ELSE avg(n.value) END
        FROM (FROM {new}) n
        FULL JOIN (FROM {old}) o USING (kpi_code, kpi_date)
        GROUP BY kpi_code ORDER BY kpi_code
    """).fetchall()
    return [KpiDiff(str(code), str(unit), int(days), was, now) for code, unit, days, was, now in rows if days]


def _recorded(con: duckdb.DuckDBPyConnection, older: int, newer: int) -> str:
    """Return the SELECT of the parts recorded between two snapshots; empty where the newer one has no such table."""
    now, before = (as_of_sql(KPI_BRIDGE, version) for version in (newer, older))
    if not _exists(con, now):
        return ""
    known = f" ANTI JOIN (FROM {before}) USING (run_id)" if _exists(con, before) else ""
    return f"FROM (FROM {now}){known}"


def _exists(con: duckdb.DuckDBPyConnection, relation: str) -> bool:
    try:
        con.execute(f"SELECT 1 FROM {relation} LIMIT 0")
    except duckdb.CatalogException:
        return False  # made later, by a version that has this table
    return True


def _explained(
    con: duckdb.DuckDBPyConnection, kpis: Sequence[KpiDiff], bridge: str, old: str, new: str
) -> tuple[KpiDiff, ...]:
    if not bridge or not kpis:
        return tuple(kpis)
    found = parts_between(con, bridge, _totals(con, old), _totals(con, new))
    return tuple(replace(kpi, parts=found.get(kpi.code, {})) for kpi in kpis)


def _totals(con: duckdb.DuckDBPyConnection, state: str) -> dict[str, DailyTotals]:
    rows = con.execute(f"SELECT kpi_code, sum(value), count(value) FROM {state} GROUP BY kpi_code").fetchall()
    return {str(code): DailyTotals(float(total), int(days)) for code, total, days in rows}


_ADDS_UP = f"kpi_code IN ({', '.join(literal(kpi.code) for kpi in KPIS.values() if kpi.adds_up)})"


def as_of_sql(table: Table, version: int) -> str:
    """Return the table at a snapshot, for a FROM clause."""
    return f"{table.in_lake} AT (VERSION => {int(version)})"


def _row(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    row = con.execute(sql).fetchone()
    assert row is not None
    return tuple(int(value) for value in row)
