"""The views in the dataset of a role: what it sees without masks of published tables, and the views for analysts.

A view only selects: masks are computed before, and no key stands in its text.
"""

from __future__ import annotations

from contextlib import closing
from functools import lru_cache
from typing import Any

import duckdb

from dataflow.access.roles import RoleTable
from dataflow.sinks.bigquery.copies import RoleData
from dataflow.sinks.bigquery.googlesql import view_sql
from dataflow.sinks.bigquery.shape import PUBLICATION, Place, view_resource
from dataflow.sinks.views import VIEWS
from dataflow.workspace.relations import sql_of
from lakehouse.connect import connect
from lakehouse.table import Table, quote


def authorised_views(role: RoleData, place: Place) -> list[dict[str, Any]]:
    """Return the views that read the published dataset, which permits it to each of them."""
    found = [
        view_resource(seen.table.name, f"One row per {seen.table.grain}.", _select(seen, role, place=place), role.place)
        for seen in role.views
    ]
    shown = f"SELECT `publication`, `lake_id` FROM {place.published(PUBLICATION)}"
    return [*found, view_resource(PUBLICATION, "The publication that this dataset shows.", shown, role.place)]


def inner_views(role: RoleData) -> list[dict[str, Any]]:
    """Return the views for analysts for which the role has tables and columns; they read its own dataset alone."""
    seen = (*(copy.seen for copy in role.copies), *role.views)
    bound = _bound_views(tuple((one.table, frozenset(one.treatments)) for one in seen))
    return [
        view_resource(view.name, view.description, view_sql(view, role.place), role.place)
        for view in VIEWS.values()
        if view.name in bound
    ]


def _select(seen: RoleTable, role: RoleData, *, place: Place) -> str:
    columns = ", ".join(f"`{name}`" for name in seen.table.column_names if name in seen.treatments)
    # The row policy of the table has the same condition. The view has it too: whether the policies of a table hold for
    # those who read it by an authorised view is not for this sink to rely on.
    condition = role.filter_of(seen.table.name)
    where = "" if condition == "TRUE" else f" WHERE {condition}"
    return f"SELECT {columns} FROM {place.published(seen.table.name)}{where}"


@lru_cache(maxsize=64)
def _bound_views(tables: tuple[tuple[Table, frozenset[str]], ...]) -> set[str]:
    """Return the names of the views that compile over tables with some of their columns."""
    found = set()
    with closing(connect(threads=1)) as con:
        con.execute("CREATE SCHEMA published")
        for table, seen in tables:
            columns = ", ".join(
                f"{quote(column.name)} {column.type}" for column in table.columns if column.name in seen
            )
            con.execute(f"CREATE TABLE {table.sql_name} ({columns})")
        for view in VIEWS.values():
            try:
                con.execute(f"CREATE VIEW published.{quote(view.name)} AS {sql_of(view.rows())}")
                found.add(view.name)
            except (duckdb.BinderException, duckdb.CatalogException):
                continue
    return found
