"""Read the key figures over comparable periods: whole weeks, against as many days before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from dataflow.publish.kpis import KPIS, Kpi
from dataflow.tables.published import KPI_DAILY

DAYS = 28
"""Four weeks: each period has every day of the week as often."""

Points = tuple[tuple[date, float], ...]


@dataclass(frozen=True, kw_only=True)
class KeyFigure:
    """One figure of the days that end with `until`.

    `value` is their sum, for a figure that adds up; the last day's, for one that counts several days anyway; else the
    mean over the days that have it. `before` is the same of as many days before; None without such days.
    """

    code: str
    name: str
    meaning: str
    unit: str
    how: str
    value: float
    before: float | None
    until: date
    points: Points

    @property
    def change(self) -> float | None:
        """Return the change relative to the days before; None where there is nothing to compare with."""
        return None if not self.before else self.value / self.before - 1


def read_key_figures(con: duckdb.DuckDBPyConnection, *, days: int = DAYS) -> list[KeyFigure]:
    """Read the figures that have a value in the last `days` published days, in the order of their declaration."""
    rows = con.execute(
        f"""
        SELECT kpi_code, kpi_date, value FROM {KPI_DAILY.sql_name}
        WHERE kpi_date > (SELECT max(kpi_date) FROM {KPI_DAILY.sql_name}) - {2 * int(days)} ORDER BY ALL
        """
    ).fetchall()
    if not rows:
        return []
    until = max(day for _, day, _ in rows)
    by_code: dict[str, list[tuple[date, float]]] = {}
    for code, day, value in rows:
        by_code.setdefault(code, []).append((day, value))
    found = [_figure(kpi, by_code[kpi.code], until, days) for kpi in KPIS.values() if kpi.code in by_code]
    return [figure for figure in found if figure is not None]


def _figure(kpi: Kpi, points: Sequence[tuple[date, float]], until: date, days: int) -> KeyFigure | None:
    start = until - timedelta(days=days)
    now = tuple(point for point in points if point[0] > start)
    former = [value for day, value in points if day <= start]
    if not now:
        return None
    how, value = _summed(kpi, [value for _, value in now])
    return KeyFigure(
        code=kpi.code,
        name=kpi.name,
        meaning=kpi.meaning,
        unit=kpi.unit,
        how=how,
        value=value,
        before=_summed(kpi, former)[1] if former else None,
        until=until,
        points=now,
    )


def _summed(kpi: Kpi, values: Sequence[float]) -> tuple[str, float]:
    if kpi.adds_up:
        return "sum", sum(values)
    if kpi.days > 1:
        return "last day", values[-1]
    return "mean of days", sum(values) / len(values)
