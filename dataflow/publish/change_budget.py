"""How much of what readers see a publication may change, for one that new code makes of the same rows."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from dataflow.access.pipeline import open_published
from dataflow.errors import AuditRefused, UsageError
from dataflow.publish.diff import diff_staged
from dataflow.settings import Settings
from dataflow.tables import published
from dataflow.tables.ops import RUN
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int


@dataclass(frozen=True)
class TableChange:
    """Rows of a published table, before and added, and how many of them are added, changed or removed."""

    table: str
    rows: int
    changed: int

    @property
    def share(self) -> float:
        return self.changed / max(self.rows, 1)

    def __str__(self) -> str:
        return f"{self.table}: {self.changed:,} of {self.rows:,} rows ({self.share:.2%})"


def measure_changes(ws: Workspace) -> list[TableChange]:
    """Compare what is staged of each published table with what readers see."""
    differences = {each.table: each for each in diff_staged(ws).tables}
    found = []
    for table in published.TABLES:
        differs = differences[table.full_name]
        rows = fetch_int(ws.con, f"SELECT count(*) FROM {ws.before(table)}") + differs.added
        found.append(TableChange(table.full_name, rows, differs.added + differs.changed + differs.removed))
    return found


def refuse_changes(found: list[TableChange], *, budget: float) -> None:
    """Refuse a publication that changes more than `budget`, a share of the rows, of a table. Raises: AuditRefused."""
    over = [str(each) for each in found if each.share > budget]
    if over:
        raise AuditRefused(
            f"Publishing was refused: more rows would change than the budget of {budget:.2%} allows: "
            f"{'; '.join(over)}.",
            next_move="Nothing was committed. Look at what changed the rows, or raise --budget.",
            failed=tuple(over),
        )


def clock_of_shadow(settings: Settings) -> datetime:
    """Return the clock for a publication of the same rows: a second after the last one.

    The days passed since then would change figures too. Raises: UsageError where nothing has been published.
    """
    with closing(open_published(settings)) as con:
        return last_published(con, doing="Publishing a shadow") + timedelta(seconds=1)


def last_published(con: duckdb.DuckDBPyConnection, *, doing: str) -> datetime:
    """Return when the last publication's run started. Raises: UsageError where nothing has been published."""
    row = con.execute(f"""
        SELECT max(started_at) FROM {RUN.sql_name} WHERE status IN ('published', 'partial')
    """).fetchone()
    if not row or row[0] is None:
        raise UsageError(f"{doing}: nothing has been published yet.", next_move="Run `dataflow run` first.")
    last: datetime = row[0]
    return last
