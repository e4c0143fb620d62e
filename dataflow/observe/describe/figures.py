"""Describe key figures, segments, views and enrichments: Ibis expressions, imported only when described."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.observe.describe.description import Description
from dataflow.settings import Settings


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
        Description(name=segment.code, meaning=segment.meaning, facts={"title": segment.name})
        for segment in SEGMENTS.values()
    ]


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
            facts={"table": one.table.full_name, "expires by": "its own date" if one.knows_expiry else "the setting"},
        )
        for name, one in BY_TABLE.items()
    ]
