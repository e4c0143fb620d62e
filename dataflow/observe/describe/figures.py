"""Describe key figures, segments, views and enrichments: Ibis expressions, imported only when described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow.observe.describe.description import Description
from dataflow.settings import Settings

if TYPE_CHECKING:
    from dataflow.publish.segments import Segment


def describe_kpis(_: Settings | None) -> Sequence[Description]:
    """Describe the key figures of published.kpi_daily."""
    from dataflow.publish.kpis import KPIS

    return [
        Description(
            name=kpi.code,
            meaning=kpi.meaning,
            facts={
                "title": kpi.name,
                "unit": kpi.unit,
                "table": kpi.table.full_name,
                "day of": kpi.timestamp,
                "days": kpi.days,
                "without rows": kpi.empty,
                "adds up over days": kpi.adds_up,
            },
        )
        for kpi in KPIS.values()
    ]


def describe_segments(_: Settings | None) -> Sequence[Description]:
    """Describe the segments of published.segments."""
    from dataflow.publish.segments import SEGMENTS

    return [
        Description(
            name=segment.code,
            meaning=segment.meaning,
            facts={"title": segment.name, "condition": _condition_sql(segment)},
        )
        for segment in SEGMENTS.values()
    ]


def _condition_sql(segment: Segment) -> str:
    """Return the condition on customer_360 in SQL."""
    import sqlglot

    from dataflow.tables.published import CUSTOMER_360
    from dataflow.workspace.relations import relation, sql_of

    customers = relation(CUSTOMER_360)
    where = sqlglot.parse_one(sql_of(customers.filter(segment.holds(customers))), dialect="duckdb").find(
        sqlglot.exp.Where
    )
    assert where is not None
    for column in where.find_all(sqlglot.exp.Column):
        column.set("table", None)
    return str(where.this.sql("duckdb")).replace('"', "")


def describe_views(_: Settings | None) -> Sequence[Description]:
    """Describe the views of the warehouse."""
    from dataflow.sinks.views import VIEWS

    return [
        Description(
            name=view.name,
            meaning=view.description,
            parts={"columns": [{"column": name, "type": str(kind)} for name, kind in view.rows().schema().items()]},
        )
        for view in VIEWS.values()
    ]


def describe_enrichments(_: Settings | None) -> Sequence[Description]:
    """Describe the enrichments, each with its table."""
    from dataflow.enrich import BY_TABLE

    return [
        Description(
            name=name,
            meaning=f"One row per {one.table.grain}",
            facts={
                "table": one.table.full_name,
                "expires": "on the day that the provider gives"
                if one.knows_expiry
                else "enrich.expires_after_days after it was obtained",
            },
        )
        for name, one in BY_TABLE.items()
    ]
