"""The registry of sinks; the one place to add one."""

from __future__ import annotations

from checks.registry import Registry
from dataflow.access.marts import kept_roles
from dataflow.settings import Settings
from dataflow.sinks.protocol import Planned, Sink, SinkKind


def open_warehouse(settings: Settings) -> Planned:
    """Open the warehouse of the settings' kind."""
    if settings.warehouse.kind == "bigquery":
        from dataflow.sinks.bigquery.warehouse import BigQueryWarehouse

        return BigQueryWarehouse(settings)
    from dataflow.sinks.warehouse import Warehouse

    return Warehouse(settings)


def _cache(settings: Settings) -> Sink:
    from dataflow.sinks.cache.cache import Cache

    return Cache(settings)


def _events(settings: Settings) -> Sink:
    from dataflow.sinks.events.sink import Events

    return Events(settings)


def _marts(settings: Settings) -> Sink:
    from dataflow.sinks.marts import Marts

    return Marts(settings)


SINKS: Registry[SinkKind] = Registry(
    "sink",
    (
        SinkKind(
            name="warehouse",
            meaning="A DuckDB file, or a dataset of BigQuery, with the published tables and the views for analysts",
            section="warehouse",
            is_on=lambda settings: settings.warehouse.kind == "bigquery" or bool(settings.warehouse.path),
            open=open_warehouse,
        ),
        SinkKind(
            name="cache",
            meaning="Redis with each customer's 360 and its look-ups, for applications",
            section="cache",
            is_on=lambda settings: bool(settings.cache.url),
            open=_cache,
        ),
        SinkKind(
            name="events",
            meaning="One event per publication to each endpoint: webhook, Prefect, SNS, EventBridge, Pub/Sub",
            section="events",
            is_on=lambda settings: bool(settings.events),
            open=_events,
        ),
        SinkKind(
            name="marts",
            meaning="A DuckDB file for each role that somebody has, with what the role sees",
            section="access",
            is_on=lambda settings: bool(kept_roles(settings)),
            open=_marts,
        ),
    ),
    name=lambda kind: kind.name,
)


def active_sinks(settings: Settings) -> list[SinkKind]:
    """List the sinks that the settings enable."""
    return [kind for kind in SINKS.values() if kind.is_on(settings)]
