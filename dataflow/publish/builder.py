"""A published table is one declaration: what its rows are, which of them were touched, and what they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ibis.expr import types as ir

from dataflow.workspace.relations import shaped, sql_of
from dataflow.workspace.report import StepReport, measured, resident_bytes
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int
from lakehouse.table import Table


@dataclass(frozen=True, kw_only=True)
class Builder:
    """How a published table follows its inputs.

    Its rows are an `expression` over declared tables and the touched keys, or `sql` where they depend on the run;
    `constant` is the part of that which does not.
    `scope` is asked for after the rows (see Workspace.stage). `source` selects the rows of an earlier stage that
    must each become one row; None for derived figures.
    """

    table: Table
    expression: Callable[[], ir.Table] | None = None
    sql: Callable[[Workspace], str] | None = None
    constant: Callable[[], str] | None = None
    scope: str | Callable[[Workspace], str]
    source: str | None = None

    def rows(self, ws: Workspace) -> str:
        if self.sql is not None:
            return self.sql(ws)
        return _compiled(self)

    def compile(self) -> None:
        """Compile the part that is the same in every run."""
        if self.constant is not None:
            self.constant()
        elif self.expression is not None:
            _compiled(self)


def run_builder(ws: Workspace, builder: Builder) -> StepReport:
    """Stage one published table. Raises: ConservationError when rows of the source got lost or doubled."""
    with measured() as watch:
        rows_in = fetch_int(ws.con, f"SELECT count(*) FROM ({builder.source})") if builder.source else None
        rows = builder.rows(ws)
        scope = builder.scope if isinstance(builder.scope, str) else builder.scope(ws)
        staged = ws.stage(builder.table, rows, scope=scope)
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
        )


@cache
def _compiled(builder: Builder) -> str:
    # Compiling takes Ibis as long as a small table takes DuckDB, and the text is the same in every run.
    assert builder.expression is not None
    return sql_of(shaped(builder.table, builder.expression()))
