"""Declare a published table: its rows, its scope, and the rows it is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dataflow.workspace.compiled import compiled_once
from dataflow.workspace.relations import shaped, sql_of
from dataflow.workspace.report import StepReport, measured, notes_fact, resident_bytes
from dataflow.workspace.staging import Staged
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred
from lakehouse.query import fetch_int
from lakehouse.table import Table

if TYPE_CHECKING:
    from ibis.expr import types as ir
else:
    ir = deferred("ibis.expr.types")


@dataclass(frozen=True, kw_only=True)
class Builder:
    """How a published table is computed from its inputs.

    Its rows are an `expression` over declared tables and the touched keys, or `sql` where they depend on the run;
    `constant` compiles the part of that SQL which does not depend on the run.
    `scope` is evaluated after the rows (see Workspace.stage). `source` selects the rows of an earlier stage that
    must each become one row; None for derived figures. `notes` says what the rows leave out, where they do.
    """

    table: Table
    expression: Callable[[], ir.Table] | None = None
    sql: Callable[[Workspace], str] | None = None
    scope: str | Callable[[Workspace], str]
    source: str | None = None
    notes: Callable[[Workspace], list[str]] | None = None

    def rows(self, ws: Workspace) -> str:
        if self.sql is not None:
            return self.sql(ws)
        return _compiled(self)


def run_builder(ws: Workspace, builder: Builder) -> StepReport:
    """Stage one published table. Raises: ConservationError when rows of the source are lost or duplicated."""
    with measured() as watch:
        rows_in = fetch_int(ws.con, f"SELECT count(*) FROM ({builder.source})") if builder.source else None
        rows = builder.rows(ws)
        scope = builder.scope if isinstance(builder.scope, str) else builder.scope(ws)
        # All rows are in the scope: without one, there is nothing to compare with the lake.
        is_touched = bool(ws.con.execute(f"SELECT 1 FROM ({scope}) LIMIT 1").fetchall())
        staged = ws.stage(builder.table, rows, scope=scope) if is_touched else Staged()
        rows_out = staged.inserted + staged.updated + staged.unchanged
        return StepReport(
            stage="publish",
            subject=builder.table.full_name,
            rows_in=rows_out if rows_in is None else rows_in,
            rows_out=rows_out,
            inserted=staged.inserted,
            updated=staged.updated,
            deleted=staged.deleted,
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts=notes_fact(builder.notes(ws) if builder.notes else []),
        )


@cache
def _compiled(builder: Builder) -> str:
    expression = builder.expression
    assert expression is not None
    return compiled_once(f"builder {builder.table.full_name}", lambda: sql_of(shaped(builder.table, expression())))
