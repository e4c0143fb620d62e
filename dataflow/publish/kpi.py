"""Build published.kpi_daily: the declared figures for every day that the run touched."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from dataflow.publish.builder import Builder
from dataflow.publish.kpis import KPIS, Kpi
from dataflow.tables.published import CUSTOMER_360, KPI_DAILY
from dataflow.workspace.compiled import compiled
from dataflow.workspace.relations import relation, shaped, sql_of, widened
from dataflow.workspace.touched import EVERYTHING
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

_DAYS = "touched_day"
_CUT = "calendar_cut"
"""Temporary table: the day on which the calendar begins because of a gap before it; empty without one."""

# A company whose records pause for longer began again; a shorter gap of stray dates costs at most 4,000 days.
_LONGEST_GAP_YEARS = 10
_PLANNED = timedelta(days=366)
"""How far ahead orders and tickets are planned; later ones are typing errors, or a date that stands for none."""


def kpi_sql(ws: Workspace) -> str:
    """Return the SELECT of one row per touched day of the calendar and figure."""
    _mark_days(ws)
    return _figures_sql()


@compiled
def _figures_sql() -> str:
    return sql_of(shaped(KPI_DAILY, ibis.union(*[_figure(kpi) for kpi in KPIS.values()])))


def _figure(kpi: Kpi) -> ir.Table:
    days = ibis.table({"kpi_date": "date", "is_in_calendar": "boolean"}, name=_DAYS)
    days = days.filter(days.is_in_calendar).select("kpi_date")
    values = figure_of(kpi, relation(kpi.table), days)
    return values.select(
        "kpi_date",
        "value",
        kpi_code=ibis.literal(kpi.code),
        kpi_name=ibis.literal(kpi.name),
        unit=ibis.literal(kpi.unit),
    )


def figure_of(kpi: Kpi, rows: ir.Table, days: ir.Table) -> ir.Table:
    """Compute a figure over `rows` for `days`.

    Shape: one row per row of `days` on which the figure is defined, with its columns and `value`. Its columns are
    `kpi_date` and others that `rows` has too, of which each is computed apart.
    """
    rows = rows.filter(rows[kpi.timestamp].notnull())
    if kpi.where is not None:
        rows = rows.filter(kpi.where(rows))
    dated = rows.mutate(event_date=rows[kpi.timestamp].date())
    if kpi.days > 1:
        dated = dated.mutate(days_after=ibis.range(0, kpi.days).unnest())
        dated = dated.mutate(kpi_date=dated.event_date + dated.days_after.as_interval("D"))
    else:
        dated = dated.mutate(kpi_date=dated.event_date)
    by = list(days.columns)
    dated = dated.semi_join(days, by)
    values = dated.group_by(by).agg(value=kpi.value(dated).cast("float64"))
    if kpi.empty is not None:
        values = widened(days, values, *by)
        values = values.mutate(value=values.value.fill_null(kpi.empty))
    return values.filter(values.value.notnull())


def _mark_days(ws: Workspace) -> None:
    """Fill touched_day: days of changed rows, days added to the calendar, days removed from it."""
    first, last = _calendar(ws)
    days = f"generate_series({first}::TIMESTAMP, {last}::TIMESTAMP, INTERVAL 1 DAY)"
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {_DAYS} AS
        WITH calendar AS (SELECT unnest({days})::DATE AS kpi_date),
        known AS (SELECT DISTINCT kpi_date FROM {ws.before(KPI_DAILY)}),
        touched AS ({_touched_days(ws)})
        SELECT kpi_date, kpi_date IN (SELECT kpi_date FROM calendar) AS is_in_calendar
        FROM (
            SELECT kpi_date FROM touched WHERE kpi_date IS NOT NULL
            UNION (SELECT kpi_date FROM calendar EXCEPT SELECT kpi_date FROM known)
            UNION SELECT kpi_date FROM calendar WHERE (SELECT everything FROM {EVERYTHING})
            UNION (SELECT kpi_date FROM known EXCEPT SELECT kpi_date FROM calendar)
        )
    """)


def _calendar(ws: Workspace) -> tuple[str, str]:
    """Return the SQL of the first and last day of the calendar; null without any event.

    It runs from the first to the last day with an event, but not beyond the run's day: one order dated 2199 would add
    two centuries of zeros. It begins after a gap of more than _LONGEST_GAP_YEARS: one order dated 1026 would add ten.
    Days before it have no key figures.
    """
    extremes = " UNION ALL ".join(
        f"SELECT min({at})::DATE AS first, max({at})::DATE AS last FROM {t.sql_name}" for t, at in _timestamps()
    )
    today = ws.run.now.date()
    first, last, year = ws.con.execute(
        f"SELECT min(first)::VARCHAR, least(max(last), DATE '{today}')::VARCHAR, year(min(first)) FROM ({extremes})"
    ).fetchall()[0]
    if first is None:
        ws.con.execute(f"CREATE OR REPLACE TEMP TABLE {_CUT} (day DATE)")
        return "NULL", "NULL"
    # Only where the first event is old are the years of all events read.
    begun = _year_after_gap(ws) if year < today.year - _LONGEST_GAP_YEARS else None
    if begun is not None:
        first = f"{begun}-01-01"
    ws.con.execute(f"CREATE OR REPLACE TEMP TABLE {_CUT} AS SELECT DATE '{first}' AS day WHERE {begun is not None}")
    return f"DATE '{first}'", f"DATE '{last}'"


def _year_after_gap(ws: Workspace) -> int | None:
    years = " UNION ".join(f"SELECT year({at}) AS year FROM {t.sql_name}" for t, at in _timestamps())
    found: int | None = ws.con.execute(f"""
        SELECT max(year) FROM (SELECT year, lag(year) OVER (ORDER BY year) AS before FROM ({years}))
        WHERE year - before > {_LONGEST_GAP_YEARS} AND year <= {ws.run.now.year}
    """).fetchall()[0][0]
    return found


def _outside_calendar(ws: Workspace) -> list[str]:
    """Note how many events have no key figures: before the calendar, or too far ahead."""
    return [*_before_calendar(ws), *_ahead_of_calendar(ws)]


def _ahead_of_calendar(ws: Workspace) -> list[str]:
    bound = literal(str((ws.run.now + _PLANNED).date()))
    counts = " UNION ALL ".join(
        f"SELECT count(*) AS n FROM {t.sql_name} WHERE {at} > TIMESTAMPTZ {bound}" for t, at in _timestamps()
    )
    count = fetch_int(ws.con, f"SELECT sum(n)::BIGINT FROM ({counts})")
    return [
        f"{count:,} timestamps are more than a year after this run: the key figures end on its day; correct them at "
        "the source"
    ] * bool(count)


def _before_calendar(ws: Workspace) -> list[str]:
    cut = ws.con.execute(f"SELECT day FROM {_CUT}").fetchall()
    if not cut:
        return []
    day = cut[0][0]
    counts = " UNION ALL ".join(
        f"SELECT count(*) AS n FROM {t.sql_name} WHERE {at} < DATE '{day}'" for t, at in _timestamps()
    )
    count = fetch_int(ws.con, f"SELECT sum(n)::BIGINT FROM ({counts})")
    return [
        f"{count:,} timestamps are before {day}, more than {_LONGEST_GAP_YEARS} years before the next: the key figures "
        "begin there; correct them at the source"
    ]


def _touched_days(ws: Workspace) -> str:
    """Return the SELECT of the days of every changed row, now and before, with the days on which it counts."""
    days = []
    for table, timestamp in _timestamps():
        reach = max(kpi.days for kpi in KPIS.values() if kpi.table is table and kpi.timestamp == timestamp)
        days.append(
            f"SELECT unnest(generate_series(event_date::TIMESTAMP, event_date::TIMESTAMP + INTERVAL {reach - 1} DAY,"
            f" INTERVAL 1 DAY))::DATE AS kpi_date FROM ({_changed_days(ws, table, timestamp)})"
        )
    return " UNION ".join(days)


def _changed_days(ws: Workspace, table: Table, timestamp: str) -> str:
    keys = column_list(table.key)
    rows = f"SELECT {keys}, {timestamp}::DATE AS event_date FROM"
    changed = f"SEMI JOIN ({ws.changed(table)}) USING ({keys})"
    now, before = f"{rows} {table.sql_name} {changed}", f"{rows} {ws.before(table)} {changed}"
    # Many changes of a customer's row leave the figures unchanged: only its day counts. An order's amount counts too.
    both = (
        f"({now} EXCEPT {before}) UNION ({before} EXCEPT {now})" if table is CUSTOMER_360 else f"{now} UNION {before}"
    )
    return f"SELECT DISTINCT event_date FROM ({both}) WHERE event_date IS NOT NULL"


def _timestamps() -> list[tuple[Table, str]]:
    return list(dict.fromkeys((kpi.table, kpi.timestamp) for kpi in KPIS.values()))


KPI_BUILDER = Builder(table=KPI_DAILY, sql=kpi_sql, scope=f"SELECT kpi_date FROM {_DAYS}", notes=_outside_calendar)
