"""The views in GoogleSQL, from the same Ibis expressions as those of the DuckDB file."""

from __future__ import annotations

from functools import cache

import sqlglot
from sqlglot import exp

from dataflow.sinks.bigquery.shape import Place
from dataflow.sinks.views import View
from dataflow.workspace.relations import sql_of

_SCHEMA = "published"


@cache
def view_sql(view: View, place: Place) -> str:
    """Return the SELECT of a view over the tables of the dataset."""
    query = sqlglot.parse_one(sql_of(view.rows(), dialect="bigquery"), read="bigquery")
    for table in query.find_all(exp.Table):
        if table.db == _SCHEMA:
            table.set("db", exp.to_identifier(place.dataset, quoted=True))
            table.set("catalog", exp.to_identifier(place.project, quoted=True))
    # BigQuery refuses NULLS LAST inside of aggregates. Aggregates that are ordered by the value they collect leave
    # nulls out, so that their place does not matter.
    for ordered in query.find_all(exp.Ordered):
        if ordered.find_ancestor(exp.AggFunc, exp.Select, exp.Window).__class__ not in (exp.Select, exp.Window):
            ordered.set("nulls_first", not ordered.args.get("desc"))
    return query.sql(dialect="bigquery")
