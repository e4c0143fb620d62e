"""Read what is normal of each object and what was found of it: the newest publication, and one figure over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from checks.registry import unknown_name
from dataflow.errors import UsageError
from dataflow.tables.ops import BASELINE
from lakehouse.query import fetch_records
from lakehouse.table import column_list, literal


@dataclass(frozen=True, kw_only=True)
class BaselineFigure:
    """A kept figure of a publication. `lowest` and `highest` are the band: None where it was not judged."""

    run_id: str
    published_at: datetime
    object_name: str
    measure: str
    column_name: str
    category: str
    value: float
    row_count: int
    expected: float | None
    lowest: float | None
    highest: float | None
    score: float | None
    verdict: str


_COLUMNS = column_list(BaselineFigure.__dataclass_fields__)


def read_newest(con: duckdb.DuckDBPyConnection, *, object_name: str | None = None) -> list[BaselineFigure]:
    """Return the figures of the newest publication, the alarms first, then by object and column.

    Raises: UsageError for an object of which nothing is kept.
    """
    if object_name is not None:
        _require(con, object_name)
    chosen = f"AND object_name = {literal(object_name)}" if object_name is not None else ""
    newest = f"SELECT max(published_at) FROM {BASELINE.sql_name}"
    return _read(
        con,
        f"published_at = ({newest}) {chosen}",
        order="verdict <> 'alarm', object_name, column_name, measure, category",
    )


def read_series(
    con: duckdb.DuckDBPyConnection, object_name: str, measure: str, *, column_name: str = "", category: str = ""
) -> list[BaselineFigure]:
    """Return one figure over time, oldest first. Raises: UsageError where nothing of it is kept."""
    _require(con, object_name)
    key = {"object_name": object_name, "measure": measure, "column_name": column_name, "category": category}
    found = _read(con, " AND ".join(f"{name} = {literal(value)}" for name, value in key.items()), order="published_at")
    if not found:
        raise UsageError(
            f"Of {object_name}, nothing is kept as {' '.join(filter(None, (measure, column_name, category)))}.",
            next_move=f"`dataflow baselines {object_name}` lists what is.",
        )
    return found


def _require(con: duckdb.DuckDBPyConnection, object_name: str) -> None:
    known = [name for (name,) in con.execute(f"SELECT DISTINCT object_name FROM {BASELINE.sql_name}").fetchall()]
    if object_name not in known:
        raise UsageError(
            f"Of no publication is kept what is normal: {unknown_name('object', object_name, sorted(known))}"
        )


def _read(con: duckdb.DuckDBPyConnection, where: str, *, order: str) -> list[BaselineFigure]:
    try:
        rows = fetch_records(con, f"SELECT {_COLUMNS} FROM {BASELINE.sql_name} WHERE {where} ORDER BY {order}")
    except duckdb.CatalogException:
        return []  # of a lake that no run of this version has opened
    return [BaselineFigure(**row) for row in rows]
