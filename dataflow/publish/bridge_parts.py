"""Read why key figures changed: the recorded parts of one publication, or of all between two states of the lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from dataflow.publish.kpis import KPIS, Kpi
from dataflow.tables.ops import KPI_BRIDGE
from dataflow.tables.ops.quality import BRIDGE_PARTS
from lakehouse.table import literal

NOT_RECORDED = "not recorded"
"""The rest of a change: of a first publication, of a restore, of a publication by a version without the bridge."""

_TOLERANCE = 1e-9
"""The share of a figure up to which a rest is rounding of sums over days."""


@dataclass(frozen=True)
class DailyTotals:
    """The values of a figure over its days: their sum and their number."""

    total: float
    days: int

    def figure(self, *, adds_up: bool) -> float | None:
        """Return the figure over all days: their sum, or the mean of those that have one."""
        if adds_up:
            return self.total
        return self.total / self.days if self.days else None


@dataclass(frozen=True, kw_only=True)
class DayChange:
    """A figure of one day that a publication changed. `parts` are the non-zero ones in order, each with its result."""

    kpi_date: str
    code: str
    unit: str
    before: float | None
    parts: Mapping[str, float | None]

    @property
    def after(self) -> float | None:
        """Return the published figure, in which the last part ends."""
        return list(self.parts.values())[-1]


def parts_between(
    con: duckdb.DuckDBPyConnection, bridge: str, before: Mapping[str, DailyTotals], after: Mapping[str, DailyTotals]
) -> dict[str, dict[str, float]]:
    """Return by figure what each part changed of it, over the publications of `bridge` in order.

    `bridge` selects rows of `ops.kpi_bridge`; `before` and `after` are the figures at both ends.
    """
    rows = con.execute(f"""
        SELECT kpi_code, part, sum(coalesce(value_after, 0) - coalesce(value_before, 0)),
            (count(value_after) - count(value_before))::BIGINT
        FROM ({bridge}) GROUP BY kpi_code, run_id, part ORDER BY kpi_code, run_id, {_ORDER}
    """).fetchall()
    found: dict[str, dict[str, float]] = {}
    state = dict(before)
    for code, part, change, days in rows:
        was = state.get(code, DailyTotals(0.0, 0))
        state[code] = DailyTotals(was.total + change, was.days + days)
        _add(found.setdefault(code, {}), part, was, state[code], code)
    for code in {*before, *after}:
        empty = DailyTotals(0.0, 0)
        _add(found.setdefault(code, {}), NOT_RECORDED, state.get(code, empty), after.get(code, empty), code)
    return found


@dataclass(frozen=True, kw_only=True)
class FigureChange:
    """What one publication changed of a figure: each part, over the days that it changed.

    Parts are summed over the days, or of a figure that does not add up the mean of them.
    """

    code: str
    name: str
    unit: str
    how: str
    days: int
    parts: Mapping[str, float]


def summarise_publication(con: duckdb.DuckDBPyConnection, run_id: str) -> list[FigureChange]:
    """Return what one publication changed of each figure, in the order of their declaration."""
    changed: dict[str, list[DayChange]] = {}
    for one in explain_publication(con, run_id):
        changed.setdefault(one.code, []).append(one)
    return [_summed(kpi, changed[kpi.code]) for kpi in KPIS.values() if kpi.code in changed]


def _summed(kpi: Kpi, days: Sequence[DayChange]) -> FigureChange:
    totals: dict[str, float] = dict.fromkeys(BRIDGE_PARTS, 0.0)
    for day in days:
        former = day.before
        for part, value in day.parts.items():
            totals[part] += (value or 0.0) - (former or 0.0)
            former = value
    over = 1 if kpi.adds_up else len(days)
    return FigureChange(
        code=kpi.code,
        name=kpi.name,
        unit=kpi.unit,
        how="sum" if kpi.adds_up else "mean of the days",
        days=len(days),
        parts={part: total / over for part, total in totals.items() if total},
    )


def explain_publication(con: duckdb.DuckDBPyConnection, run_id: str) -> list[DayChange]:
    """Return each day's figure that one publication changed, with its parts; the newest days first."""
    return _by_day(
        con.execute(f"""
            SELECT kpi_date::VARCHAR, kpi_code, part, value_before, value_after FROM {KPI_BRIDGE.sql_name}
            WHERE run_id = {literal(run_id)} ORDER BY kpi_date DESC, kpi_code, {_ORDER}
        """).fetchall()
    )


def _by_day(rows: Iterable[tuple[str, str, str, float | None, float | None]]) -> list[DayChange]:
    grouped: dict[tuple[str, str], list[tuple[str, float | None, float | None]]] = {}
    for day, code, part, before, after in rows:
        grouped.setdefault((day, code), []).append((part, before, after))
    return [
        DayChange(
            kpi_date=day,
            code=code,
            unit=KPIS[code].unit if code in KPIS else "",
            before=parts[0][1],
            parts={part: after for part, _, after in parts},
        )
        for (day, code), parts in grouped.items()
    ]


def _add(parts: dict[str, float], part: str, was: DailyTotals, now: DailyTotals, code: str) -> None:
    adds_up = code in KPIS and KPIS[code].adds_up
    old, new = was.figure(adds_up=adds_up) or 0.0, now.figure(adds_up=adds_up) or 0.0
    if abs(new - old) > _TOLERANCE * max(abs(old), abs(new)):
        parts[part] = parts.get(part, 0.0) + new - old


_ORDER = f"list_position([{', '.join(map(literal, BRIDGE_PARTS))}], part)"
