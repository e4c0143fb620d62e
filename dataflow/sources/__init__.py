"""Sources: one protocol, one adapter for each kind of system. The only part that knows how a system hands out rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dataflow.errors import UsageError
from dataflow.settings import Settings, SourceSettings
from dataflow.sources.files import FilesSource
from dataflow.sources.protocol import (
    Drift,
    Fetch,
    FetchReport,
    FieldInfo,
    Halves,
    KeyRange,
    ListsKeys,
    ObjectState,
    Part,
    PlannedWindow,
    Source,
    SourceObject,
    Surveys,
    Window,
    WindowMeasure,
)


def _s3(name: str, settings: SourceSettings) -> Source:
    # Its client takes a quarter of a second to import.
    from dataflow.sources.s3 import S3Source

    return S3Source(name, settings)


def _salesforce(name: str, settings: SourceSettings) -> Source:
    from dataflow.sources.salesforce import SalesforceSource

    return SalesforceSource(name, settings)


def _mysql(name: str, settings: SourceSettings) -> Source:
    # So does its driver, with NumPy.
    from dataflow.sources.mysql import MySQLSource

    return MySQLSource(name, settings)


ADAPTERS: Mapping[str, Callable[[str, SourceSettings], Source]] = {
    "files": FilesSource,
    "s3": _s3,
    "salesforce": _salesforce,
    "mysql": _mysql,
}


def open_source(settings: Settings, name: str) -> Source:
    """Make the source that dataflow.toml declares under this name. Raises: UsageError for an unknown one."""
    if name not in settings.sources:
        raise UsageError(
            f"There is no source {name}; dataflow.toml declares {', '.join(sorted(settings.sources)) or 'none'}.",
            next_move="Name one of these, or declare it.",
        )
    declared = settings.sources[name]
    return ADAPTERS[declared.adapter](name, declared)


__all__ = [
    "ADAPTERS",
    "Drift",
    "Fetch",
    "FetchReport",
    "FieldInfo",
    "Halves",
    "KeyRange",
    "ListsKeys",
    "ObjectState",
    "Part",
    "PlannedWindow",
    "Source",
    "SourceObject",
    "Surveys",
    "Window",
    "WindowMeasure",
    "open_source",
]
