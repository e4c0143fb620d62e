"""Explain each changed key figure by ordered substitution: what rules, identity, erasure, corrections, activity did.

The figure is computed on the published rows as they were, then with each kind of change applied to them in the order of
BRIDGE_PARTS. Each part is the difference of two successive values, so that the parts of any figure, of medians and
shares too, sum to its change. The first value and the last are the published ones. Written once, with the publication.

| relation (in `work.main`) | columns | filled by | dropped by |
|---|---|---|---|
| bridge_TABLE | columns of Counted, first_step, until_step | lay_out_versions, lay_out_customers | stage_bridge |
| bridge_rows_TABLE | columns of Counted, step | _lay_out_rows | stage_bridge |
| bridge_days_TABLE | kpi_date, step | _between | stage_bridge |
| bridge_changed | kpi_date, kpi_code, before, after, is_new_day | _lay_out_changed | stage_bridge |
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from dataflow.publish.bridge_versions import (
    CHANGED_CUSTOMERS,
    COUNTED,
    FIRST_SEEN,
    ROWS,
    VERSIONS,
    lay_out_customers,
    lay_out_versions,
)
from dataflow.publish.kpi import figure_of
from dataflow.publish.kpis import KPIS, Kpi
from dataflow.tables.ops import KPI_BRIDGE
from dataflow.tables.ops.quality import BRIDGE_PARTS
from dataflow.tables.published import CUSTOMER_360, KPI_DAILY
from dataflow.workspace.ibis_types import ibis_type
from dataflow.workspace.relations import sql_of
from dataflow.workspace.staging import delta_names
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred
from lakehouse.query import fetch_int
from lakehouse.table import Table, column_list, literal

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")

_CHANGED = "work.main.bridge_changed"
_DAYS = "bridge_days"
_NO_POINT = "SELECT NULL::DATE AS kpi_date, NULL::VARCHAR AS kpi_code, NULL::INTEGER AS step, NULL::DOUBLE AS value"
_RULES, _ACTIVITY = BRIDGE_PARTS.index("rules") + 1, BRIDGE_PARTS.index("activity") + 1


def stage_bridge(ws: Workspace) -> int:
    """Stage the parts of every key figure that this run changes; return their number.

    A first publication has nothing to compare with, and a run that changes no figure computes nothing.
    """
    if not ws.had_rows(KPI_DAILY) or not ws.changes(KPI_DAILY).changed:
        return 0
    _lay_out_changed(ws)
    steps: dict[Table, list[int]] = {}
    for counted in COUNTED:
        steps[counted.table] = lay_out_versions(ws, counted)
    steps[CUSTOMER_360] = lay_out_customers(ws)
    points = [point for table, found in steps.items() if len(found) > 1 for point in _between(ws, table, found[:-1])]
    count = ws.append(KPI_BRIDGE, _parts_sql(ws, steps, points))
    for name in _laid_out():
        ws.con.execute(f"DROP TABLE IF EXISTS {name}")
    return count


def _lay_out_changed(ws: Workspace) -> None:
    names, before = delta_names(KPI_DAILY), ws.before(KPI_DAILY)
    key = column_list(KPI_DAILY.key)
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE {_CHANGED} AS
        WITH changed AS (SELECT {key}, value AS after FROM {names.delta} UNION ALL SELECT {key}, NULL FROM {names.gone})
        SELECT {key}, o.value AS before, after,
            kpi_date > (SELECT max(kpi_date) FROM {before}) AS is_new_day
        FROM changed LEFT JOIN (SELECT {key}, value FROM {before}) o USING ({key})
    """)


def _between(ws: Workspace, table: Table, steps: list[int]) -> list[str]:
    """Lay out the rows of a table after each of some steps; return the SELECTs of its figures on them."""
    figures = [kpi for kpi in KPIS.values() if kpi.table is table]
    codes = ", ".join(literal(kpi.code) for kpi in figures)
    days = f"SELECT kpi_date FROM {_CHANGED} WHERE kpi_code IN ({codes}) AND NOT is_new_day"
    if not fetch_int(ws.con, f"SELECT count(*) FROM ({days})"):
        return []
    in_steps = f"(SELECT unnest([{', '.join(map(str, steps))}]) AS step)"
    ws.con.execute(
        f"CREATE OR REPLACE TABLE work.main.{_DAYS}_{table.name} AS SELECT DISTINCT kpi_date, step FROM ({days}),"
        f" {in_steps}"
    )
    _lay_out_rows(ws, table, figures, in_steps=in_steps, days=days)
    return [_figure_sql(kpi.code) for kpi in figures]


def _lay_out_rows(ws: Workspace, table: Table, figures: list[Kpi], *, in_steps: str, days: str) -> None:
    """Lay out the rows of the days, and of those before that count on them, once for each step in which they hold."""
    columns = column_list(_columns_of(table))
    reach = max(kpi.days for kpi in figures) - 1
    first, last = f"(SELECT min(kpi_date) - {reach} FROM ({days}))", f"(SELECT max(kpi_date) FROM ({days}))"
    near = " OR ".join(
        f"{at}::DATE BETWEEN {first} AND {last}" for at in dict.fromkeys(kpi.timestamp for kpi in figures)
    )
    changed = CHANGED_CUSTOMERS if table is CUSTOMER_360 else VERSIONS.format(table.name)
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE {ROWS.format(table.name)} AS
        SELECT {columns}, step FROM {VERSIONS.format(table.name)}, {in_steps}
        WHERE step >= first_step AND step < until_step
        UNION ALL
        SELECT {columns}, step FROM (
            SELECT {columns} FROM {table.sql_name} ANTI JOIN {changed} USING ({column_list(table.key)}) WHERE {near}
        ), {in_steps}
    """)


@cache
def _figure_sql(code: str) -> str:
    kpi = KPIS.find(code)
    name = kpi.table.name
    columns = {column: ibis_type(kpi.table.column(column).type) for column in _columns_of(kpi.table)}
    rows = ibis.table({**columns, "step": "int32"}, name=f"bridge_rows_{name}")
    days = ibis.table({"kpi_date": "date", "step": "int32"}, name=f"{_DAYS}_{name}")
    values: ir.Table = figure_of(kpi, rows, days)
    return sql_of(values.select("kpi_date", "step", "value", kpi_code=ibis.literal(kpi.code)))


def _columns_of(table: Table) -> tuple[str, ...]:
    if table is CUSTOMER_360:
        return ("customer_id", *FIRST_SEEN)
    [counted] = [one for one in COUNTED if one.table is table]
    return counted.columns


def _parts_sql(ws: Workspace, steps: dict[Table, list[int]], points: list[str]) -> str:
    """Return the SELECT of the parts: the values from step to step, where they differ.

    A step that the figure's table does not have changes nothing. The last step of a table ends in the published value;
    where no row of it changed, the figure is counted differently. A new day is activity.
    """
    after_steps = [
        (kpi.code, step) for kpi in KPIS.values() for step in steps.get(kpi.table, [])[:-1] if len(steps[kpi.table]) > 1
    ]
    last = " ".join(
        f"WHEN {literal(kpi.code)} THEN {steps[kpi.table][-1]}" for kpi in KPIS.values() if steps.get(kpi.table)
    )
    last_step = f"CASE kpi_code {last} ELSE {_RULES} END" if last else str(_RULES)
    wanted = ", ".join(f"({literal(code)}, {step})" for code, step in after_steps) or "(NULL, NULL)"
    found = " UNION ALL ".join(f"SELECT kpi_date, kpi_code, step, value FROM ({point})" for point in points)
    found = (
        found
        or "SELECT NULL::DATE AS kpi_date, NULL::VARCHAR AS kpi_code, NULL::INTEGER AS step, NULL::DOUBLE AS value"
    )
    names = f"[{', '.join(map(literal, BRIDGE_PARTS))}]"
    key = column_list(KPI_DAILY.key)
    return f"""
        WITH changed AS (FROM {_CHANGED}),
        between AS (
            SELECT {key}, w.step, f.value
            FROM changed JOIN (VALUES {wanted}) w(kpi_code, step) USING (kpi_code)
            LEFT JOIN ({found}) f USING (kpi_date, kpi_code, step)
            WHERE NOT is_new_day
        ),
        points AS (
            SELECT {key}, 0 AS step, before AS value FROM changed
            UNION ALL FROM between
            UNION ALL SELECT {key}, CASE WHEN is_new_day THEN {_ACTIVITY} ELSE {last_step} END, after FROM changed
        ),
        parts AS (
            SELECT {key}, step, lag(value) OVER in_order AS value_before, value AS value_after
            FROM points WINDOW in_order AS (PARTITION BY {key} ORDER BY step)
        )
        SELECT {literal(ws.run.run_id)} AS run_id, {key}, {names}[step] AS part, value_before, value_after
        FROM parts WHERE step > 0 AND value_before IS DISTINCT FROM value_after
    """


def _laid_out() -> list[str]:
    tables = [*(counted.table for counted in COUNTED), CUSTOMER_360]
    return [
        _CHANGED,
        CHANGED_CUSTOMERS,
        *(VERSIONS.format(table.name) for table in tables),
        *(ROWS.format(table.name) for table in tables),
        *(f"work.main.{_DAYS}_{table.name}" for table in tables),
    ]
